"""Whether a claimed value solves an equation, by algebra in a process that can be killed."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

from its_agent.equality import MAX_EXPRESSION, latex
from its_agent.equality_process import Failure, WorkerProcess
from its_agent.errors import InvalidOption
from its_agent.normal_form import expression, is_wordy
from its_agent.verifiers.protocol import Result

Said = tuple[Mapping[str, Any], Failure | None]
"""The worker's reply, or why there is none."""


class Equation:
    """Passes a value, or several, that make both sides of an equation equal; fails others.

    Whether they are all the solutions is not asked. Values are exact: 0.33 is not one third. What
    is no value, cannot be decided, or takes longer than `seconds` is "unknown"; an equation that
    cannot be read is "broken". The process starts when first needed, and ends with `aclose`, or
    with this object; a `worker` that is given may serve many and is its owner's to end.
    Raises InvalidOption for an equation without exactly one equals sign.
    """

    def __init__(
        self,
        equation: str,
        unknown: str = "x",
        *,
        seconds: float = 5.0,
        worker: WorkerProcess | None = None,
        name: str = "equation",
    ) -> None:
        if equation.count("=") != 1:
            raise InvalidOption(f"an equation has exactly one equals sign, got {equation!r}")
        self._equation = equation
        self._unknown = unknown
        self._seconds = seconds
        self._name = name
        self._worker = worker or WorkerProcess()
        self._is_own = worker is None
        if self._is_own:
            weakref.finalize(self, self._worker.end)

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    async def examine(self, answer: str) -> Result:
        """Put the value in and compare the sides."""
        reply, failure = await self._asked(answer)
        if failure is not None:
            return "unknown" if failure == "timeout" else "broken"
        if reply["solves"] == "unreadable":
            return "broken"
        return "unknown" if reply["solves"] is None else "pass" if reply["solves"] else "fail"

    async def explain(self, answer: str) -> str | None:
        """Say by how much the sides differ."""
        reply, _ = await self._asked(answer)
        if reply.get("solves") is not False:
            return None
        value, difference = reply["value"], reply["difference"]
        return (
            f"{self._unknown} = {value} does not solve {self._equation}: "
            f"the left side minus the right side is {difference}"
        )

    async def aclose(self) -> None:
        """End the process, unless it is somebody else's; a later question starts a new one."""
        if self._is_own:
            await asyncio.to_thread(self._worker.end)

    async def _asked(self, answer: str) -> Said:
        value = expression(answer)
        if len(value) > MAX_EXPRESSION or is_wordy(value):
            return {"solves": None}, None
        question = {
            "equation": latex(self._equation),
            "unknown": self._unknown,
            "value": latex(value),
        }
        return await asyncio.to_thread(self._worker.ask, question, self._seconds)
