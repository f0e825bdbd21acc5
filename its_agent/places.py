"""A line for those who would only wait further on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from weakref import WeakKeyDictionary

_inside: ContextVar[frozenset[int]] = ContextVar("_inside", default=frozenset())


class Places:
    """At most so many runs at once in an event loop: a run that has not begun costs next to
    nothing, where a thousand begun ones keep the garbage collector busy.

    First come, first served. A run inside a run of the same agent takes no place of its own, as it
    would wait for the one that waits for it.
    """

    def __init__(self) -> None:
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    @asynccontextmanager
    async def taken(self, most: int | None) -> AsyncGenerator[None]:
        """Hold one of `most` places; None is no limit."""
        held = _inside.get()
        if most is None or id(self) in held:
            yield
            return
        async with self._line(most):
            mark = _inside.set(held | {id(self)})
            try:
                yield
            finally:
                _inside.reset(mark)

    def _line(self, most: int) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            self._lines[loop] = asyncio.Semaphore(most)
        return self._lines[loop]
