"""Starting a supervisor and, for an owned engine, holding on to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from its_agent.backends import supervisor
from its_agent.backends.home import subfolder
from its_agent.backends.supervisor import Order
from its_agent.errors import EngineDied

STOP_SECONDS = 30.0
_LOGS_KEPT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A supervisor that this process started; letting go of `process.stdin` ends the engine."""

    process: subprocess.Popen[str]
    pid: int
    engine_pid: int

    def release(self) -> None:
        """Ends the engine and waits until nothing of it is left; harmless when done twice."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()


def start_supervisor(order: Order, environment: Mapping[str, str]) -> Lease:
    """Starts the engine of `order`; raises EngineDied when that does not even begin."""
    kept = order.state_path is not None
    with Path(order.log_path).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, json.dumps(order._asdict())],
            stdin=subprocess.DEVNULL if kept else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as answers:
        answer = answers.readline()
    if kept:
        process.wait()
    if not answer:
        raise EngineDied(f"The engine's supervisor ended at once. Its log: {order.log_path}")
    pids = json.loads(answer)
    return Lease(process=process, pid=pids["pid"], engine_pid=pids["engine_pid"])


def new_log(model: str) -> Path:
    """A file for the log of an engine that is about to start; only the newest ones stay."""
    folder = subfolder("logs")
    for old in sorted(folder.glob("*.log"), key=_modified)[: -(_LOGS_KEPT - 1)]:
        old.unlink(missing_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    log = folder / f"{model.replace('/', '--')}-{stamp}-{os.getpid()}.log"
    log.touch()
    return log


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
