"""Difficulty from the first samples themselves: how far they agree."""

from __future__ import annotations

from bisect import bisect_right

from its_agent.difficulty.belief import Evidence

SUCCESS_BY_AGREEMENT = ((0.0, 0.01), (0.25, 0.10), (0.5, 0.32), (0.75, 0.61), (1.0, 0.80))
"""Share of samples that give the leading answer, and the mean share of right samples at that
share: 70 grade-school problems, 200 random waves of 4 each, Qwen2.5-Coder-0.5B-Instruct."""


def read_wave(*, leading: int, samples: int) -> Evidence:
    """Judge by the `leading` answer's count among all `samples`, those without answer included."""
    return Evidence(
        source="first_wave", success=_interpolate(leading / samples), strength=float(samples)
    )


def _interpolate(share: float) -> float:
    knots = [x for x, _ in SUCCESS_BY_AGREEMENT]
    right = min(max(bisect_right(knots, share), 1), len(knots) - 1)
    (x0, y0), (x1, y1) = SUCCESS_BY_AGREEMENT[right - 1], SUCCESS_BY_AGREEMENT[right]
    return y0 + (y1 - y0) * (share - x0) / (x1 - x0)
