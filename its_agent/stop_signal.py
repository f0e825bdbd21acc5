"""A way to end what is under way and keep what it brought."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class StopSignal:
    """Ends the work it guards as if its time were up; one event loop owns it.

    Give one to `Agent.asolve(…, stop=signal)` and call `signal.set()`: the requests under way are
    aborted in the engine, and the solve returns its best answer so far.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._guards: set[asyncio.Timeout] = set()

    @property
    def is_set(self) -> bool:
        """Whether the signal was given; it stays given."""
        return self._is_set

    def set(self) -> None:
        """End everything that is guarded, now and from now on."""
        self._is_set = True
        now = asyncio.get_running_loop().time()
        for guard in self._guards:
            if not guard.expired():
                guard.reschedule(now)

    @asynccontextmanager
    async def guard(self, seconds: float | None = None) -> AsyncGenerator[None]:
        """Raise TimeoutError when the signal is given, or after this many seconds."""
        if self._is_set or (seconds is not None and seconds <= 0):
            raise TimeoutError
        async with asyncio.timeout(seconds) as timeout:
            self._guards.add(timeout)
            try:
                yield
            finally:
                self._guards.discard(timeout)
