"""Timers that keep nothing of a run alive.

An event loop holds on to a cancelled timer until many are cancelled, the timer to the context that
it was set in, and a graph's context to all that its run held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType

from langchain_core.runnables.config import var_child_runnable_config


@contextmanager
def outside_of_graphs() -> Generator[None]:
    """Set timers in a context that knows of no graph."""
    token = var_child_runnable_config.set(None)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


class TimeLimit(AbstractAsyncContextManager[asyncio.Timeout]):
    """`asyncio.timeout` with such a timer; None sets no limit. Entered once."""

    def __init__(self, seconds: float | None) -> None:
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> asyncio.Timeout:
        with outside_of_graphs():
            return await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)
