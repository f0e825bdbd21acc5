"""Why an answer failed, from whatever verifiers can say it."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import isawaitable

from its_agent.verifiers.protocol import Examiner, Explains, Verifier


async def reasons(answer: str, judges: Iterable[Verifier | Examiner]) -> tuple[str, ...]:
    """What is wrong with an answer, a line or a few for each that fails it and knows why."""
    found = [await _reason(answer, judge) for judge in judges if isinstance(judge, Explains)]
    return tuple(reason for reason in found if reason is not None)


async def _reason(answer: str, judge: Explains) -> str | None:
    said = judge.explain(answer)
    return await said if isawaitable(said) else said
