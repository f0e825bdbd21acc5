"""The events of work under way, as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from its_agent.events import Event, Sink


async def events_of(
    work: Callable[[Sink], Coroutine[Any, Any, object]],
) -> AsyncGenerator[Event, None]:
    """Do work that tells a sink of its events, and yield them. Raises what the work raises.

    Leaving the loop early cancels the work.
    """
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    doing = asyncio.create_task(work(events.put_nowait))
    doing.add_done_callback(lambda _: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        await doing
    finally:
        doing.cancel()
        await asyncio.wait([doing])
