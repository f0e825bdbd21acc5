"""Attempts that use tools: each goes on by itself while what it calls only reads.

An attempt ends with an answer, with a call of something that acts, or where it cannot go on.
Attempts that have said and heard the same so far share their requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from its_agent.backends.protocol import Request
from its_agent.backends.purchase import Purchase
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.calling.branches import Attempt, Branch, forked, whole, with_ids
from its_agent.calling.runs import ToolRuns
from its_agent.calling.seniority import Seniority
from its_agent.calling.waves import Brought, End
from its_agent.errors import BackendError, BudgetExceeded, PromptTooLong
from its_agent.graphs.context import Context
from its_agent.graphs.sampling import Taken, buy
from its_agent.thinking.tags import parted
from its_agent.together import together

MOST_TURNS = 16
"""Samples after which an attempt ends without an answer: it goes round in circles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAttempts:
    """Takes the attempts of a wave to their ends."""

    runs: ToolRuns

    async def __call__(self, context: Context, requests: Sequence[Request]) -> Brought:
        """Begin with these requests; the ends are in the order of the attempts."""
        line, first = Seniority(context.ledger), 0
        async with together() as group:
            wave = _Wave(context=context, runs=self.runs, line=line, group=group)
            for request in requests:
                numbers = range(first, first + request.n)
                attempts = tuple(Attempt(number=number) for number in numbers)
                group.create_task(wave.go(Branch(request=request, attempts=attempts)))
                first += request.n
        return wave.brought


@dataclass(slots=True, kw_only=True)
class _Wave:
    """What a wave has come to so far."""

    context: Context
    runs: ToolRuns
    line: Seniority
    group: asyncio.TaskGroup
    taken: Taken = Taken()
    ends: list[tuple[int, End]] = field(default_factory=list[tuple[int, End]])

    @property
    def brought(self) -> Brought:
        """What it has come to; another one would be no better where none got to its end."""
        ends = [end for _, end in sorted(self.ends, key=lambda one: one[0])]
        is_fruitless = all(end.sample.finish == "aborted" for end in ends)
        stop = self.taken.stop or ("no_gain" if is_fruitless else None)
        return Brought(taken=self.taken, ends=tuple(ends), stop=stop)

    async def go(self, branch: Branch) -> None:
        """Take a sample for every attempt of a branch, and have those go on that only read."""
        cost = await self._cost(branch.asked)
        await self.line.turn(branch.number, cost)
        samples = await self._bought(branch)
        self.line.leave(branch.number)
        for onward, sample in forked(branch, self._not_ended(branch, samples)):
            self.line.claim(onward.number, cost)
            self.group.create_task(self._hear(onward, sample))

    async def _cost(self, request: Request) -> Usage:
        try:
            return await self.context.door.price(request)
        except (BudgetExceeded, BackendError, PromptTooLong):
            # The purchase meets the same, and tells of it.
            return Usage()

    async def _bought(self, branch: Branch) -> list[Sample]:
        """A sample for each, where there was enough for all; those that have ended first."""
        taken = await buy(self.context, branch.asked, purpose="generate")
        if taken.too_long is not None and branch.turns:
            # It is this conversation that has outgrown the context, and no other.
            self._note(str(taken.too_long))
            taken = replace(taken, too_long=None)
        self.taken += taken
        return sorted(taken.samples, key=lambda one: one.finish == "aborted")

    def _not_ended(self, branch: Branch, samples: list[Sample]) -> list[tuple[Attempt, Sample]]:
        """The attempts that go on, with what they ask for; the others have come to their ends."""
        onward: list[tuple[Attempt, Sample]] = []
        for attempt, sample in zip_longest(branch.attempts, samples):
            # A request that was made again leaves parts of samples beside the whole ones.
            of = attempt or Attempt(number=branch.attempts[-1].number)
            if sample is None:
                self._break_off(branch, of)
            elif self._goes_on(sample):
                onward.append((of, sample))
            else:
                self._end(branch, of, whole(of, sample))
        return onward

    def _goes_on(self, sample: Sample) -> bool:
        is_written = sample.finish == "stop" and bool(sample.calls)
        return is_written and not self.runs.acts(sample.calls)

    async def _hear(self, branch: Branch, sample: Sample) -> None:
        """Make the calls of a sample, and go on from what they say."""
        calls = with_ids(sample.calls)
        asking = branch.saying(parted(sample.text).answer, calls)
        if asking.samples >= MOST_TURNS:
            self._note(f"{MOST_TURNS} turns of calls and no answer")
            self._leave(asking)
            return
        ran = await self.runs.read(calls, attempts=len(branch.attempts))
        if ran is None:
            self.taken += Taken(purchases=(Purchase(interrupted=self.context.door.interruption),))
            self._leave(asking)
            return
        await self.go(asking.hearing(ran))

    def _leave(self, branch: Branch) -> None:
        self.line.leave(branch.number)
        for attempt in branch.attempts:
            self._break_off(branch, attempt)

    def _break_off(self, branch: Branch, attempt: Attempt) -> None:
        """An attempt cannot go on; one that has not said anything never was."""
        if attempt.past is not None:
            self._end(branch, attempt, replace(attempt.past, finish="aborted"))

    def _end(self, branch: Branch, attempt: Attempt, last: Sample) -> None:
        self.ends.append(
            (attempt.number, End(request=branch.request, sample=last, turns=branch.turns))
        )

    def _note(self, said: str) -> None:
        if said not in self.context.notes:
            self.context.notes.append(said)
