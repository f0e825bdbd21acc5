"""One worker process that compares expressions, and the thread that waits for it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Outcome = Literal["same", "different", "timeout", "died"]

WORKER = Path(__file__).with_name("equality_worker.py")
START_SECONDS = 60.0


class WorkerProcess:
    """Blocks its caller, never longer than the limit; replaces a process that was killed."""

    def __init__(self, script: Path = WORKER) -> None:
        self._script = script
        self._process: subprocess.Popen[str] | None = None
        self._is_ready = False

    def compare(self, a: str, b: str, seconds: float) -> Outcome:
        """Ask for one comparison; `seconds` do not include the start of the process."""
        process = self._ready()
        if process is None:
            return "died"
        asked = json.dumps({"a": a, "b": b, "seconds": seconds})
        with _killed_after(process, seconds) as expired:
            reply = _exchange(process, asked)
        if reply:
            return "same" if json.loads(reply)["same"] else "different"
        self.end()
        if not expired.is_set():
            return "died"
        self._start()
        return "timeout"

    def end(self) -> None:
        """End the process and wait for it."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            with suppress(BrokenPipeError), process:
                pass

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
