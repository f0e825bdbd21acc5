"""A way to end what is under way and keep what it brought."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from its_agent.timers import TimeLimit


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

    def guard(self, seconds: float | None = None) -> AbstractAsyncContextManager[object]:
        """Raise TimeoutError when the signal is given, or after this many seconds."""
        return _Guard(self, self._guards, seconds)


class _Guard(TimeLimit):
    """Work that a signal can end."""

    def __init__(
        self, signal: StopSignal, guards: set[asyncio.Timeout], seconds: float | None
    ) -> None:
        super().__init__(seconds)
        self._signal = signal
        self._guards = guards
        self._seconds = seconds

    async def __aenter__(self) -> asyncio.Timeout:
        if self._signal.is_set or (self._seconds is not None and self._seconds <= 0):
            raise TimeoutError
        entered = await super().__aenter__()
        self._guards.add(entered)
        return entered

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._guards.discard(self._timeout)
        await super().__aexit__(kind, error, trace)
