"""A peer in an interpreter of its own: asked on its standard input, a JSON line a problem."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from its_agent.errors import InvalidInput

START_SECONDS = 120.0
_LONGEST_LINE = 1 << 24
_KEPT_LINES = 40


class Hello(BaseModel):
    """The first line that a peer prints."""

    model_config = ConfigDict(frozen=True)

    version: str


class Answered(BaseModel):
    """What a peer hands back for a problem."""

    model_config = ConfigDict(frozen=True)

    text: str
    claimed: Mapping[str, int] = {}
    """What the peer itself says that it used."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a peer has no answer, in one line."""

    why: str


@dataclass(frozen=True, slots=True)
class _Running:
    process: asyncio.subprocess.Process
    errors: asyncio.Task[None]
    said: deque[str]

    @property
    def last_words(self) -> str:
        return next((line for line in reversed(self.said) if line.strip()), "nothing").strip()


class PeerProcess:
    """Runs a client script of a peer, again after each failure: a failure ends the process.

    Use it as an async context manager, which ends the process.
    """

    def __init__(self, command: Sequence[str], *, start_seconds: float = START_SECONDS) -> None:
        self._command = command
        self._start_seconds = start_seconds
        self._running: _Running | None = None

    async def __aenter__(self) -> PeerProcess:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def start(self) -> str:
        """Start it and return its version. Raises InvalidInput when it does not come up."""
        await self._end()
        try:
            self._running = await _started(self._command)
        except OSError as error:
            raise InvalidInput(f"{self._command[0]} cannot be run: {error}") from error
        first = await self._line(self._running, self._start_seconds)
        if isinstance(first, Failure):
            raise InvalidInput(f"{' '.join(self._command[:2])} did not start: {first.why}")
        try:
            return Hello.model_validate_json(first).version
        except ValidationError as error:
            raise InvalidInput(f"{self._command[1]} greets with {first!r}") from error

    async def ask(self, asked: Mapping[str, Any], *, seconds: float) -> Answered | Failure:
        """Put a problem and wait for what becomes of it, at most so many seconds."""
        if self._running is None:
            await self.start()
        assert self._running is not None
        pipe = self._running.process.stdin
        assert pipe is not None
        # One that is dead already says so in the reading.
        with suppress(ConnectionError):
            pipe.write(json.dumps(asked).encode() + b"\n")
            await pipe.drain()
        line = await self._line(self._running, seconds)
        if isinstance(line, Failure):
            return line
        try:
            return Answered.model_validate_json(line)
        except ValidationError:
            await self._end()
            return Failure(f"it answered {line[:200]!r}")

    async def _line(self, running: _Running, seconds: float) -> bytes | Failure:
        assert running.process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                line = await running.process.stdout.readline()
        except TimeoutError:
            await self._end()
            return Failure(f"no answer in {seconds:g} s")
        if line:
            return line
        status = await running.process.wait()
        await self._end()
        return Failure(f"it ended with status {status}: {running.last_words}")

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        if running.process.returncode is None:
            with suppress(ProcessLookupError):
                running.process.kill()
        await running.process.wait()
        await running.errors


async def _started(command: Sequence[str]) -> _Running:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=_LONGEST_LINE
    )
    assert process.stderr is not None
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    return _Running(process, asyncio.create_task(_keep(process.stderr, said)), said)


async def _keep(errors: asyncio.StreamReader, said: deque[str]) -> None:
    async for line in errors:
        said.append(line.decode(errors="replace"))
