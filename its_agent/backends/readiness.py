"""Waiting until a starting engine answers, and saying why when it does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx

from its_agent.backends.progress import Progress
from its_agent.errors import EngineDied

POLL_SECONDS = 0.5
TAIL_LINES = 12

# What vLLM writes to its log, in the order in which it comes, and what that means.
_PHASES = (
    ("Initializing a V1 LLM engine", "starting its worker"),
    ("Starting to load model", "loading the weights"),
    ("Loading weights took", "preparing the model"),
    ("Warming up model for the compilation", "compiling (slow at a model's first start)"),
    ("warmup run took", "making room for keys and values"),
)


def wait_until_ready(
    base_url: str, *, pid: int, log_path: Path, ready_seconds: float, progress: Progress
) -> None:
    """Returns once the server at `base_url` answers.

    Raises EngineDied, with the end of the log, when process `pid` ends first or
    `ready_seconds` pass.
    """
    started = time.monotonic()
    while not answers(base_url):
        seconds = time.monotonic() - started
        if not alive(pid):
            raise EngineDied(f"The engine ended while it was loading.\n{log_tail(log_path)}")
        if seconds > ready_seconds:
            raise EngineDied(
                f"The engine was not ready after {ready_seconds:g} s. Give it more time or end "
                f"other programs that use the processors.\n{log_tail(log_path)}"
            )
        progress(f"engine: {loading_phase(log_path)}", int(seconds), None)
        time.sleep(POLL_SECONDS)
    progress("engine: ready", int(time.monotonic() - started), None)


def answers(base_url: str) -> bool:
    """Whether a healthy server answers at `base_url`."""
    try:
        return httpx.get(f"{base_url}/health", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def alive(pid: int) -> bool:
    """Whether the process exists and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state not in ("Z", "X")


def loading_phase(log_path: Path) -> str:
    """What the engine does now, from its log."""
    log = _read(log_path)
    reached = [meaning for mark, meaning in _PHASES if mark in log]
    return reached[-1] if reached else "starting"


def log_tail(log_path: Path) -> str:
    """The last lines of the log, the errors among them first, and where the rest is."""
    lines = [line for line in _read(log_path).splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line and "Traceback" not in line]
    shown = list(dict.fromkeys([*errors[:3], *lines[-TAIL_LINES:]]))
    return "\n".join([f"The log is {log_path}; its end:", *(f"  {line[:300]}" for line in shown)])


def _read(log_path: Path) -> str:
    try:
        return log_path.read_text(errors="replace")
    except OSError:
        return ""
