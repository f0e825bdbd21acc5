"""What is installed is what is here, and importing it is light."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import its_agent

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = ("its_agent", "difficulty", "graphs", "prompts")


def test_every_package_is_declared() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    present = {
        ".".join(("its_agent", *init.parent.relative_to(ROOT).parts)).replace(
            "its_agent.its_agent", "its_agent"
        )
        for top in TOP_LEVEL
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert present == set(config["tool"]["setuptools"]["packages"])


def test_the_public_names_are_those_of_all() -> None:
    for name in its_agent.__all__:
        assert getattr(its_agent, name) is not None


def test_importing_brings_in_no_engine_and_no_graph() -> None:
    script = (
        "import sys, its_agent, its_agent.cli\n"
        "heavy = {'torch', 'vllm', 'transformers', 'langgraph', 'sympy'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_agent_needs_neither_torch_nor_vllm_nor_transformers() -> None:
    script = (
        "import sys\n"
        "from its_agent import Agent\n"
        "from its_agent.backends import ScriptedBackend\n"
        "agent = Agent(ScriptedBackend(lambda r, i: 'Paris'))\n"
        "agent.solve('What is the capital of France?')\n"
        "heavy = {'torch', 'vllm', 'transformers'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_versions_are_pinned_by_name_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert all(line.count("==") == 1 and "/" not in line and "@" not in line for line in pins)
