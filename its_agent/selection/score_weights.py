"""Votes that weigh by a score: the score itself, or its softmax among a problem's candidates.

Candidates without a score weigh 1, the average of the others: what is unknown is neither for nor
against an answer. A score that is not a finite number counts as none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from its_agent.errors import InvalidOption


def score_weights(scores: Sequence[float | None]) -> list[float]:
    """Weighted best-of-N (arXiv 2206.02336, 2408.03314): a vote weighs its score, scaled so that
    the known ones average 1.

    Scores are at least 0; one below weighs nothing, so those that may be negative want
    `softmax_weights`. Where none is above 0 all weigh 1.
    """
    rewards = [None if one is None else max(0.0, one) for one in finite(scores)]
    known = [one for one in rewards if one is not None]
    average = math.fsum(one / len(known) for one in known)
    return [1.0 if one is None or not average else one / average for one in rewards]


def softmax_weights(confidences: Sequence[float | None], temperature: float) -> list[float]:
    """CISC (arXiv 2502.06233, section 3): weights exp(confidence / temperature), scaled so that the
    known ones average 1. Raises InvalidOption for a temperature that is not above 0."""
    if not temperature > 0:
        raise InvalidOption(f"vote temperature {temperature!r}; allowed: a number above 0")
    values = finite(confidences)
    known = [one for one in values if one is not None]
    best = max(known, default=0.0)
    tilted = [None if one is None else math.exp((one - best) / temperature) for one in values]
    total = math.fsum(one for one in tilted if one is not None)
    return [1.0 if one is None else len(known) * one / total for one in tilted]


def finite(scores: Sequence[float | None]) -> list[float | None]:
    """The scores that are finite numbers, None in place of the others."""
    return [one if one is not None and math.isfinite(one) else None for one in scores]
