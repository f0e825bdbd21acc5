"""How sure a model was of a whole sample: self-certainty, and votes by its rank (2502.18581)."""

from __future__ import annotations

from collections.abc import Sequence

TOP = 20
"""Alternatives that are read for every token; vLLM tells no more unless it is told to."""
BORDA_POWER = 0.5
"""As in the example of the paper's code; it grows with the number of samples and difficulty."""


def borda_weights(scores: Sequence[float | None], power: float = BORDA_POWER) -> list[float]:
    """Votes (N − r + 1)^power for the rank r of a score, the best first; equal scores share the
    better rank. One without a score weighs nothing, unless none has one: then all weigh 1."""
    known = sorted((score for score in scores if score is not None), reverse=True)
    if not known:
        return [1.0] * len(scores)
    return [
        0.0 if score is None else float((len(known) - known.index(score)) ** power)
        for score in scores
    ]
