"""How long the policy thinks about its next purchase."""

from __future__ import annotations

import statistics
import time

from its_agent.difficulty.answer_belief import AnswerBelief, Habits, Observation
from its_agent.difficulty.prospects import prospects

ANSWERS = (*range(8), *range(4))
"""Twelve samples that disagree as much as samples usually do on a hard problem."""


def decision_ms(*, looks: int = 50) -> float:
    """Milliseconds that one look ahead takes, the median of so many."""
    start = AnswerBelief.of(0.5, Habits(strength=2.0, spread=6.0))
    belief = start.after(Observation(answer=answer) for answer in ANSWERS)
    took: list[float] = []
    for seed in range(looks):
        began = time.perf_counter()
        prospects(belief, seed=seed)
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)
