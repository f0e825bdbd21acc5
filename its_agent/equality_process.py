"""One worker process that does algebra, and the thread that waits for it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["same", "different", "timeout", "died"]
Failure = Literal["timeout", "died"]

WORKER = Path(__file__).with_name("equality_worker.py")
START_SECONDS = 60.0


class WorkerProcess:
    """Blocks its caller, never longer than the limit and those before it take; replaces a process
    that was killed."""

    def __init__(self, script: Path = WORKER) -> None:
        self._script = script
        self._process: subprocess.Popen[str] | None = None
        self._is_ready = False
        self._turn = threading.Lock()

    def compare(self, a: str, b: str, seconds: float) -> Outcome:
        """Ask for one comparison; `seconds` do not include the start of the process."""
        reply, failure = self.ask({"a": a, "b": b}, seconds)
        if failure is not None:
            return failure
        return "same" if reply["same"] else "different"

    def ask(
        self, question: Mapping[str, str], seconds: float
    ) -> tuple[Mapping[str, Any], Failure | None]:
        """Put one question; the reply is empty where there was a failure."""
        with self._turn:
            return self._asked(question, seconds)

    def end(self) -> None:
        """End the process and wait for it."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            with suppress(BrokenPipeError), process:
                pass

    def _asked(
        self, question: Mapping[str, str], seconds: float
    ) -> tuple[Mapping[str, Any], Failure | None]:
        process = self._ready()
        if process is None:
            return {}, "died"
        asked = json.dumps({**question, "seconds": seconds})
        with _killed_after(process, seconds) as expired:
            reply = _exchange(process, asked)
        if reply:
            return json.loads(reply), None
        self.end()
        if not expired.is_set():
            return {}, "died"
        self._start()
        return {}, "timeout"

    def _start(self) -> subprocess.Popen[str]:
        self._process, self._is_ready = _spawn(self._script), False
        return self._process

    def _ready(self) -> subprocess.Popen[str] | None:
        process = self._process
        if process is None or process.poll() is not None:
            self.end()
            process = self._start()
        if not self._is_ready:
            with _killed_after(process, START_SECONDS):
                self._is_ready = bool(_exchange(process, ""))
        return process if self._is_ready else None


def _spawn(script: Path) -> subprocess.Popen[str]:
    # By path and with -P: neither the caller's main module nor its folder is imported.
    return subprocess.Popen(
        [sys.executable, "-P", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        bufsize=1,
    )


def _exchange(process: subprocess.Popen[str], line: str) -> str:
    """Send a line, unless it is empty, and return the reply; empty when the process is gone."""
    if process.stdin is None or process.stdout is None:
        return ""
    try:
        if line:
            process.stdin.write(f"{line}\n")
        return process.stdout.readline()
    except OSError:
        return ""


@contextmanager
def _killed_after(process: subprocess.Popen[str], seconds: float) -> Generator[threading.Event]:
    expired = threading.Event()

    def kill() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
