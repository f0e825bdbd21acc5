"""Every example runs as it stands, against a server on the loopback address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_server import served

from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
NEED_ARGUMENTS: dict[str, tuple[str, ...]] = {"own_server.py": ("{url}",)}


def right(request: Request, index: int) -> Reply:
    return Reply(text=r"So it is \boxed{10}.", tokens=60)


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_example_runs(example: Path) -> None:
    with served(ScriptedBackend(right), model="scripted") as url:
        given = [word.format(url=url) for word in NEED_ARGUMENTS.get(example.name, ())]
        done = subprocess.run(
            [sys.executable, str(example), *given],
            env={**os.environ, "ITS_BASE_URL": url},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "10" in done.stdout
