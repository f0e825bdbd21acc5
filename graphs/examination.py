"""Verifiers that take their time, and what they have found so far."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from its_agent.graphs.context import Context
from its_agent.verifiers import Examiner, Result, Verifier

AT_ONCE = os.cpu_count() or 1
"""Examinations side by side."""


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

    async def look(examiner: Examiner, answer: str) -> None:
        async with places:
            context.found[examiner.name, answer] = await examiner.examine(answer)

    try:
        async with asyncio.timeout(within), asyncio.TaskGroup() as group:
            for examiner in context.examiners:
                for answer in distinct:
                    if (examiner.name, answer) not in context.found:
                        group.create_task(look(examiner, answer))
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
