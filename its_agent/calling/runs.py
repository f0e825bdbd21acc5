"""The runs of a solve's tools: those that only read at any time, those that act after a vote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from its_agent.events import ToolRan
from its_agent.graphs.context import Context
from its_agent.together import together
from its_agent.tool_calls import ToolCall, meaning
from its_agent.tools import Ran, Tool

NOT_MADE = "error: not called, as another call of this turn cannot be made"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRuns:
    """Makes calls, tells of them, and knows what tools that only read have said.

    That holds until something acts: afterwards it may have become another answer.
    """

    context: Context
    tools: Mapping[str, Tool]
    _said: dict[str, asyncio.Task[Ran | None]] = field(
        default_factory=dict[str, asyncio.Task[Ran | None]]
    )

    def acts(self, calls: Sequence[ToolCall]) -> bool:
        """Whether these calls may change something. Where one of them cannot be made, none is made
        that could."""
        return meaning(calls, self.tools) is not None and any(map(self._acts, calls))

    async def read(self, calls: Sequence[ToolCall], *, attempts: int = 1) -> list[Ran] | None:
        """Make those calls that only read, side by side; None where the solve has to end first."""
        async with together() as group:
            running = [group.create_task(self._read(one)) for one in calls]
        for one in running:
            ran, again = one.result()
            self._tell(ran, again=again, attempts=attempts)
        return _whole([ran for ran, _ in (one.result() for one in running)])

    async def act(self, calls: Sequence[ToolCall]) -> list[Ran] | None:
        """Make calls one after the other; None where the solve has to end first."""
        made: list[Ran] = []
        for one in calls:
            acts = self._acts(one)
            ran, again = (await self._run(one), False) if acts else await self._read(one)
            if acts:
                self._said.clear()
            self._tell(ran, acts=acts, again=again)
            if ran is None:
                return None
            made.append(ran)
        return made

    def _acts(self, call: ToolCall) -> bool:
        return call.name in self.tools and self.tools[call.name].acts and call.values is not None

    async def _read(self, call: ToolCall) -> tuple[Ran | None, bool]:
        """What a call says, and whether it was known: what has been said, or is about to be, is not
        asked for again; a failure is."""
        asked = meaning([call], self.tools)
        if self._acts(call):
            return Ran(call=call, content=NOT_MADE, failed=True), False
        if asked is None:
            return await self._run(call), False
        is_known = asked in self._said
        if not is_known:
            self._said[asked] = asyncio.create_task(self._run(call))
        running = self._said[asked]
        ran = await running
        if (ran is None or ran.failed) and self._said.get(asked) is running:
            del self._said[asked]
        return (None if ran is None else replace(ran, call=call)), is_known

    async def _run(self, call: ToolCall) -> Ran | None:
        tool = self.tools.get(call.name)
        if tool is None:
            return Ran(call=call, content=f"error: there is no tool {call.name!r}", failed=True)
        began = time.monotonic()
        try:
            async with self.context.door.until_the_end():
                ran = await tool.run(call)
                return replace(ran, seconds=time.monotonic() - began)
        except TimeoutError:
            trouble = f"the solve had to end while {call.name} ran"
            if trouble not in self.context.notes:
                self.context.notes.append(trouble)
            return None

    def _tell(
        self, ran: Ran | None, *, acts: bool = False, again: bool = False, attempts: int = 1
    ) -> None:
        if ran is None:
            return
        self.context.emit(
            ToolRan,
            name=ran.call.name,
            arguments=ran.call.arguments,
            content=ran.content,
            failed=ran.failed,
            acts=acts,
            again=again,
            attempts=attempts,
            seconds=0.0 if again else ran.seconds,
        )


def _whole(ran: Sequence[Ran | None]) -> list[Ran] | None:
    made = [one for one in ran if one is not None]
    return made if len(made) == len(ran) else None
