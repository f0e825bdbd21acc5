"""The statistics of a benchmark: intervals and paired tests, exact and repeatable."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb, sqrt

BOOTSTRAP_RESAMPLES = 10_000
BOOTSTRAP_SEED = 20_260_101
_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def wilson(successes: int, trials: int) -> Interval:
    """The 95% score interval of a proportion (Wilson 1927); all of 0 to 1 without trials."""
    if trials == 0:
        return Interval(low=0.0, high=1.0)
    share, z2 = successes / trials, _Z95**2
    centre = share + z2 / (2 * trials)
    margin = _Z95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    return Interval(
        low=max(0.0, (centre - margin) / scale), high=min(1.0, (centre + margin) / scale)
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's test: a binomial test of the discordant pairs."""
    discordant = only_first + only_second
    tail = sum(comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << discordant))


def bootstrap_mean(
    values: Sequence[float],
    *,
    resamples: int = BOOTSTRAP_RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Interval:
    """The 95% percentile interval of a mean over problems, such as that of paired differences, by
    resampling the problems.

    Raises ValueError when there is nothing to resample.
    """
    if not values:
        raise ValueError("a bootstrap needs at least one value")
    chance, size = random.Random(seed), len(values)
    means = (sum(chance.choices(values, k=size)) / size for _ in range(resamples))
    return middle_95(means)


def middle_95(values: Iterable[float]) -> Interval:
    """The interval that leaves out 2.5% of the values on either side."""
    ordered = sorted(values)
    return Interval(low=quantile(ordered, 0.025), high=quantile(ordered, 0.975))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The linearly interpolated quantile of ordered values."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
