"""A LangGraph server opens the agent's graph and runs it, where its command line is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted_server import served

from its_agent.backends.ports import choose_port
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend

LANGGRAPH = os.environ.get("LANGGRAPH_COMMAND") or shutil.which("langgraph")
CONFIG = Path(__file__).parents[1] / "examples" / "langgraph.json"


def right(request: Request, index: int) -> Reply:
    return Reply(text=r"So it is \boxed{18}.", tokens=60)


@contextmanager
def developing(engine: str, folder: Path) -> Generator[str]:
    """The address of `langgraph dev` with the agent's graph."""
    assert LANGGRAPH is not None
    port = choose_port(None)
    command = [LANGGRAPH, "dev", "--config", str(CONFIG), "--port", str(port)]
    log = folder / "langgraph.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--no-browser", "--no-reload"],
            env={**os.environ, "ITS_BASE_URL": engine, "LANGSMITH_TRACING": "false"},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/ok", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text())


@pytest.mark.skipif(LANGGRAPH is None, reason="langgraph-cli[inmem] is not installed")
@pytest.mark.timeout(300)
def test_the_graph_opens_and_runs_under_langgraph_dev(tmp_path: Path) -> None:
    question = {"role": "user", "content": "How many eggs are there in 3 boxes of 6?"}
    with served(ScriptedBackend(right)) as engine, developing(engine, tmp_path) as address:
        answer: dict[str, Any] = httpx.post(
            f"{address}/runs/wait",
            json={"assistant_id": "its", "input": {"messages": [question]}},
            timeout=120,
        ).json()
    assert answer["messages"][-1]["type"] == "ai"
    assert answer["solution"]["answer"] == "18"
