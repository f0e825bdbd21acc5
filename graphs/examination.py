"""Verifiers that take their time, and what they have found so far."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from its_agent.graphs.context import Context
from its_agent.solution import Candidate
from its_agent.timers import TimeLimit
from its_agent.verifiers import Calibrated, Result, Verifier

AT_ONCE = os.cpu_count() or 1
"""Examinations side by side."""


Examination: TypeAlias = Callable[[str], Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an examiner has found out, as a verifier that knows it at once."""

    name: str
    results: Mapping[str, Result]

    def check(self, answer: str) -> Result:
        """Tell what was found; "unknown" for an answer that was not examined."""
        return self.results.get(answer, "unknown")


async def examined(
    context: Context, answers: Sequence[str | None], *, within: float | None
) -> tuple[Verifier, ...]:
    """Let every examiner look at the answers that it has not seen, as far as the time goes, and
    return all that is known now: the agent's other verifiers come first."""
    places = asyncio.Semaphore(AT_ONCE)
    distinct = list(dict.fromkeys(answer for answer in answers if answer is not None))

    async def look(name: str, examine: Examination, answer: str) -> None:
        async with places:
            context.found[name, answer] = await examine(answer)

    looking = [(one.name, one.examine) for one in context.examiners]
    looking += [(one.name, one.testify) for one in context.witnesses]
    try:
        async with TimeLimit(within), asyncio.TaskGroup() as group:
            for name, examine in looking:
                for answer in distinct:
                    if (name, answer) not in context.found:
                        group.create_task(look(name, examine, answer))
    except TimeoutError:
        context.notes.append("the time was up before every answer was examined")
    found = (
        Found(
            name=examiner.name,
            results={
                answer: context.found[examiner.name, answer]
                for answer in distinct
                if (examiner.name, answer) in context.found
            },
        )
        for examiner in context.examiners
    )
    return (*context.verifiers, *found)


def evidence(context: Context, candidates: Sequence[Candidate]) -> list[float]:
    """What witnesses and calibrated scorers add to each candidate's log-odds of being right; empty
    where there are none."""
    if not (context.witnesses or context.scorers):
        return []
    return [_testimony(context, one) + _scores(context, one) for one in candidates]


def _testimony(context: Context, candidate: Candidate) -> float:
    if candidate.answer is None:
        return 0.0
    return sum(
        witness.log_odds(context.found.get((witness.name, candidate.answer), "unknown"))
        for witness in context.witnesses
    )


def _scores(context: Context, candidate: Candidate) -> float:
    return sum(
        scorer.log_odds(candidate.signals[scorer.name])
        for scorer in context.scorers
        if isinstance(scorer, Calibrated) and scorer.name in candidate.signals
    )
