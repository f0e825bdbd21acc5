"""Whether confidences are what they say: Brier score, calibration error and reliability bins."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

BINS = 10
"""Bins of equal width."""
SIMULATIONS = 1_000
SEED = 20_260_101


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An answer's confidence, and whether the answer was right."""

    problem: str
    confidence: float
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Claims of about the same confidence."""

    claims: int
    confidence: float
    """Their mean confidence."""
    accuracy: float
    """The share of them that is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The calibration error that perfectly calibrated confidences show by chance alone."""

    mean: float
    most: float
    """It is exceeded in 5% of the simulations."""


def brier(made: Sequence[Claim]) -> float:
    """The mean squared distance of confidence and outcome (Brier 1950); 0 is best."""
    return fmean((one.confidence - one.right) ** 2 for one in made)


def constant_brier(made: Sequence[Claim]) -> float:
    """The Brier score of saying the share of right answers every time, p(1 − p)."""
    share = fmean(one.right for one in made)
    return share * (1 - share)


def bins(made: Sequence[Claim]) -> list[Bin]:
    """The claims by confidence in bins of equal width, without the empty ones."""
    grouped: dict[int, list[Claim]] = {}
    for one in made:
        grouped.setdefault(_place(one.confidence), []).append(one)
    return [
        Bin(
            claims=len(group),
            confidence=fmean(one.confidence for one in group),
            accuracy=fmean(one.right for one in group),
        )
        for _, group in sorted(grouped.items())
    ]


def calibration_error(made: Sequence[Claim]) -> float:
    """The expected calibration error: the mean distance of confidence and accuracy over the bins,
    by their claims (Guo et al. 2017, arXiv 1706.04599)."""
    gaps = [0.0] * BINS
    for one in made:
        gaps[_place(one.confidence)] += one.confidence - one.right
    return sum(map(abs, gaps)) / len(made)


def by_chance(made: Sequence[Claim], *, simulations: int = SIMULATIONS, seed: int = SEED) -> Chance:
    """The calibration error when each outcome is drawn with its confidence for probability.

    The claims of one problem share their draw, as its orders share most of their luck; drawn
    apart they would show less.
    """
    chance = random.Random(seed)
    problems = sorted({one.problem for one in made})
    gaps = [0.0] * BINS
    for one in made:
        gaps[_place(one.confidence)] += one.confidence
    drawn = [(one.problem, one.confidence, _place(one.confidence)) for one in made]
    errors: list[float] = []
    for _ in range(simulations):
        luck, left = {name: chance.random() for name in problems}, gaps.copy()
        for name, confidence, place in drawn:
            left[place] -= luck[name] < confidence
        errors.append(sum(map(abs, left)) / len(made))
    return Chance(mean=fmean(errors), most=sorted(errors)[math.ceil(0.95 * len(errors)) - 1])


def _place(confidence: float) -> int:
    return min(BINS - 1, int(confidence * BINS))
