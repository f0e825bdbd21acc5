"""The solves of one request, whose events come as one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from its_agent.errors import ItsAgentError
from its_agent.events import Event
from its_agent.integrations.gateway.solving import Solving


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one of the solves tells; a failure is the last that comes of it."""

    choice: int
    event: Event | ItsAgentError

    def what(self) -> Event:
        """The event. Raises the failure."""
        if isinstance(self.event, ItsAgentError):
            raise self.event
        return self.event


async def side_by_side(solves: Sequence[Solving]) -> AsyncGenerator[Told, None]:
    """Solve all of them, and yield what they tell as it comes. One that fails ends no other.

    Leaving the loop early cancels them.
    """
    coming: asyncio.Queue[Told | None] = asyncio.Queue()

    async def follow(choice: int, solve: Solving) -> None:
        try:
            async with aclosing(solve.events()) as events:
                async for event in events:
                    coming.put_nowait(Told(choice=choice, event=event))
        except ItsAgentError as error:
            coming.put_nowait(Told(choice=choice, event=error))

    doing = [asyncio.create_task(follow(choice, one)) for choice, one in enumerate(solves)]
    for one in doing:
        one.add_done_callback(lambda _: coming.put_nowait(None))
    try:
        for _ in doing:
            while (told := await coming.get()) is not None:
                yield told
        for one in doing:
            await one
    finally:
        for one in doing:
            one.cancel()
        await asyncio.wait(doing)
