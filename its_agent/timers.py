"""Timers that keep nothing of a run alive.

An event loop holds on to a cancelled timer until many are cancelled, the timer to the context that
it was set in, and a graph's context to all that its run held.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

_GRAPHS = "langchain_core.runnables.config"
"""Keeps a graph's context. Who has not imported it yet runs no graph, and need not wait for it."""


@contextmanager
def outside_of_graphs() -> Generator[None]:
    """Set timers in a context that knows of no graph."""
    if _GRAPHS not in sys.modules:
        yield
        return
    graph: ContextVar[Any] = sys.modules[_GRAPHS].var_child_runnable_config
    token = graph.set(None)
    try:
        yield
    finally:
        graph.reset(token)


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
