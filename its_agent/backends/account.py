"""Pays for what verifiers ask of engines: from one ledger, under one purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Backend, Capability, Request
from its_agent.backends.purchase import EndOfTime
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.errors import BudgetExceeded, PromptTooLong

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Account:
    """What a verifier may spend from, and what has come of it.

    `ask` takes `at`, another model than the one that solves, and `read` any work at all; their
    tokens cost the `relative_cost` of their models.
    """

    door: MeteredBackend
    purpose: str = "verify"
    usage: Usage = Usage()
    interrupted: EndOfTime | None = None
    """The solve had to end while something was asked."""
    notes: list[str] = field(default_factory=list[str])
    """What the receipt should say."""
    _doors: dict[int, MeteredBackend] = field(default_factory=dict[int, MeteredBackend])

    def can(self, capability: Capability) -> bool:
        """Whether the model that solves has a capability."""
        return self.door.can(capability)

    async def ask(
        self, request: Request, *, at: Backend | None = None
    ) -> tuple[Sample, ...] | None:
        """Buy one request: the samples that ended, or None where the budget or the context has no
        room for it. Raises BackendError where the engine failed."""
        try:
            door = await self._door(at)
            bought = await door.buy(request, purpose=self.purpose)
        except (BudgetExceeded, PromptTooLong):
            return None
        self.usage += bought.usage
        self.notes.extend(bought.notes)
        if bought.interrupted in ("deadline", "cancelled"):
            self.interrupted = bought.interrupted
        ended = tuple(sample for sample in bought.samples if sample.finish != "aborted")
        if bought.failure is not None and not ended:
            raise bought.failure
        return ended

    async def prepare(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do something that costs nothing, such as counting; None where the time was up. Raises
        what the work raises."""
        try:
            return await self.door.in_time(work)
        except BudgetExceeded:
            return None

    async def read(
        self, work: Callable[[], Awaitable[tuple[T, Usage]]], *, worst: Usage
    ) -> T | None:
        """Do one piece of work, at any engine, that tells its usage at its end; None where the
        budget or the context has no room for it, or the time was up. Raises BackendError where the
        engine failed, and InvalidInput where it does not take such work."""
        try:
            done = await self.door.read(work, worst=worst, purpose=self.purpose)
        except (BudgetExceeded, PromptTooLong):
            return None
        self.usage += done.usage
        if done.interrupted is not None:
            self.interrupted = done.interrupted
        if done.failure is not None:
            raise done.failure
        return done.value

    async def _door(self, at: Backend | None) -> MeteredBackend:
        if at is None:
            return self.door
        if id(at) not in self._doors:
            self._doors[id(at)] = await self.door.at(at)
        return self._doors[id(at)]
