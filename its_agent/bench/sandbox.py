"""What the sandbox adds to running a program."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from its_agent.verifiers import Sandbox

PROGRAM = "print(sum(range(10)))"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOverhead:
    """Milliseconds a run, medians of alternated runs."""

    runs: int
    bare_ms: float
    """The program in an interpreter of its own, without a sandbox."""
    sandboxed_ms: float


async def measure_sandbox(runs: int = 50) -> SandboxOverhead:
    """Run a small program with and without the sandbox, in turns. Raises MissingExtra without
    bubblewrap."""
    sandbox = Sandbox()
    seconds: dict[str, list[float]] = {"bare": [], "sandboxed": []}

    async def sandboxed() -> None:
        assert (await sandbox.run(PROGRAM)).output == "45\n"

    for _ in range(runs):
        seconds["bare"].append(await _timed(_bare))
        seconds["sandboxed"].append(await _timed(sandboxed))
    return SandboxOverhead(
        runs=runs,
        bare_ms=1000 * statistics.median(seconds["bare"]),
        sandboxed_ms=1000 * statistics.median(seconds["sandboxed"]),
    )


def sandbox_section(seen: SandboxOverhead, command: str) -> str:
    """The figures as Markdown."""
    return f"""\
## Sandbox

Made by

```
{command}
```

A program of one line in an interpreter of its own takes {seen.bare_ms:.0f} ms, in the sandbox
{seen.sandboxed_ms:.0f} ms ({seen.sandboxed_ms / seen.bare_ms:.1f} times; medians of {seen.runs}
runs in turns). It starts bubblewrap, and the interpreter twice: once to give up its rights.
"""


async def _bare() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", PROGRAM), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out == b"45\n"


async def _timed(once: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await once()
    return time.perf_counter() - began
