"""Connections that nobody closes by hand: chat models are made and dropped without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import TypeAlias
from weakref import WeakKeyDictionary, finalize

_Open: TypeAlias = MutableMapping[asyncio.AbstractEventLoop, AsyncGenerator[None, None]]


class ClosedWithLoop:
    """Closes something in every event loop that has used it, when the loop ends or this is dropped.

    An asynchronous generator does it, as a loop that ends closes those that are still open.
    """

    def __init__(self, aclose: Callable[[], Awaitable[None]]) -> None:
        self._aclose = aclose
        self._open: _Open = WeakKeyDictionary()
        # It keeps them out of the garbage of their owner, which would take connections with it.
        finalize(self, _close_all, self._open)

    async def used(self) -> None:
        """Note that the running loop uses it."""
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            self._open[loop] = _until_closed(self._aclose)
            await anext(self._open[loop])


async def _until_closed(aclose: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await aclose()


def _close_all(still_open: _Open) -> None:
    for loop, one in list(still_open.items()):
        if not loop.is_closed():
            asyncio.run_coroutine_threadsafe(_closed(one), loop)


async def _closed(one: AsyncGenerator[None, None]) -> None:
    await one.aclose()
