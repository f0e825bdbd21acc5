"""Keeps one engine alive for as long as someone wants it; run as a script, standard library only.

Started with one JSON argument (see `Order`). It starts the engine in a process group of its own,
says `{"pid": ..., "engine_pid": ...}` on standard output, and ends the whole group when

- its owner is gone: end of file on standard input, or a new parent (an owned engine);
- nothing was asked of the engine for `idle_seconds`, or its state file was removed (a kept one);
- it is told to end (SIGTERM, SIGINT), or the engine ends by itself.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

TICK_SECONDS = 0.25
GRACE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ACTIVITY = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
)


class Order(NamedTuple):
    """What to run; `state_path` and `idle_seconds` make it a kept engine."""

    command: list[str]
    log_path: str
    base_url: str
    state_path: str | None
    state: dict[str, object]
    idle_seconds: float
    loading_seconds: float


def supervise(order: Order) -> None:
    """Runs the engine until one of the reasons to end it appears."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    owner = os.getppid()
    if order.state_path is not None:
        _detach()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    engine = _start(order)
    try:
        wanted = (
            Owned(owner)
            if order.state_path is None
            else Kept(order, Path(order.state_path), engine.pid)
        )
        print(json.dumps({"pid": os.getpid(), "engine_pid": engine.pid}), flush=True)
        _let_go_of_output()
        while engine.poll() is None and wanted.still():
            time.sleep(TICK_SECONDS)
        if isinstance(wanted, Kept):
            wanted.forget()
    finally:
        end_group(engine)


class Owned:
    """Wanted while the owner lives: it holds the other end of standard input."""

    def __init__(self, owner: int) -> None:
        self._owner = owner

    def still(self) -> bool:
        """Whether the owner is still there."""
        if os.getppid() != self._owner:
            return False
        readable, _, _ = select.select([0], [], [], 0)
        return not readable


class Kept:
    """Wanted while its state file is there and requests keep coming."""

    def __init__(self, order: Order, path: Path, engine_pid: int) -> None:
        self._order = order
        self._path = path
        self._state = {**order.state, "pid": os.getpid(), "engine_pid": engine_pid}
        self._started = self._active = self._looked = time.time()
        self._seen: str | None = None
        self._write()

    def still(self) -> bool:
        """Whether the state file is still ours and the engine is not idle for too long."""
        if not self._is_ours():
            return False
        now = time.time()
        if now - self._looked >= min(5.0, self._order.idle_seconds / 4):
            self._looked = now
            self._notice_activity(now)
        limit = self._order.idle_seconds
        return now - self._active < (
            limit if self._seen is not None else limit + self._order.loading_seconds
        )

    def forget(self) -> None:
        """Removes the state file unless it is already another engine's."""
        if self._is_ours():
            self._path.unlink(missing_ok=True)

    def _notice_activity(self, now: float) -> None:
        seen = activity(self._order.base_url)
        if seen is not None and seen != self._seen:
            self._seen, self._active = seen, now
            self._write()
        elif seen is not None and busy(seen):
            self._active = now

    def _is_ours(self) -> bool:
        try:
            return bool(json.loads(self._path.read_text())["pid"] == os.getpid())
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _write(self) -> None:
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        partial.write_text(json.dumps({**self._state, "last_active": self._active}))
        partial.replace(self._path)


def activity(base_url: str) -> str | None:
    """The engine's gauges and counters of work as text, or None when it does not answer."""
    try:
        with urllib.request.urlopen(f"{base_url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return "\n".join(line for line in lines if line.startswith(_ACTIVITY))


def busy(seen: str) -> bool:
    """Whether a request runs or waits."""
    gauges = [line for line in seen.splitlines() if line.startswith("vllm:num_requests")]
    return any(float(line.rsplit(" ", 1)[1]) > 0 for line in gauges)


def end_group(engine: subprocess.Popen[bytes]) -> None:
    """Ends the engine and all its children: asks first, then kills, and collects them."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        if not _signal_group(engine.pid, number):
            return
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            engine.poll()
            _collect(engine.pid)
            if not _signal_group(engine.pid, 0):
                return
            time.sleep(0.05)


def _start(order: Order) -> subprocess.Popen[bytes]:
    with Path(order.log_path).open("ab") as log:
        return subprocess.Popen(
            order.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            preexec_fn=_die_with_parent,
        )


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _detach() -> None:
    # A kept engine outlives its starter, which must not be left with a zombie to collect.
    if os.fork():
        os._exit(0)


def _let_go_of_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _collect(group: int) -> None:
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    supervise(Order(**json.loads(sys.argv[1])))
