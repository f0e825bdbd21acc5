"""What runs claim: how sure they are of their answers."""

from __future__ import annotations

from collections.abc import Iterable

from its_agent.bench.runs import Run
from its_agent.difficulty.claims import Claim


def claims(runs: Iterable[Run]) -> list[Claim]:
    """What the runs with an answer claim; those without one claim nothing."""
    return [
        Claim(problem=run.id, confidence=run.confidence, right=run.correct)
        for run in runs
        if run.answer is not None
    ]
