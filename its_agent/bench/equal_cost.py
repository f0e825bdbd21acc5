"""A strategy against the envelope of others at equal cost and at equal accuracy."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from its_agent.bench.curve import Curve, curve, envelope
from its_agent.bench.per_problem import Points, ProblemTable, Setting
from its_agent.bench.stats import BOOTSTRAP_SEED, Interval, middle_95

RESAMPLES = 2_000
"""Fewer than of single differences, as every one draws all curves anew."""
ENOUGH = 0.5
"""Share of resamples that must have a value for an interval to be told."""

Statistic = Callable[[Points], float | None]
"""A number made of points; None where a curve does not reach what is asked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A statistic over all problems, and how far resampled problems move it."""

    value: float | None
    """None where it is not reached."""
    interval: Interval | None
    """95%, over the resamples that have a value; None where the value or half of them have none."""
    reached: float
    """Share of resamples that have a value."""


def estimates(
    table: ProblemTable,
    statistics: Sequence[Statistic],
    *,
    resamples: int = RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> list[Estimate]:
    """Each statistic with its percentile interval from the same resamples of the problems.

    A problem's orders stay together, as they are averaged; every curve is drawn anew over every
    resample.
    """
    chance, places = random.Random(seed), range(len(table.problems))
    drawn: list[list[float | None]] = [[] for _ in statistics]
    for _ in range(resamples):
        points = table.points_of(chance.choices(places, k=len(places)))
        for values, statistic in zip(drawn, statistics, strict=True):
            values.append(statistic(points))
    whole = table.points
    return [_estimate(one(whole), values) for one, values in zip(statistics, drawn, strict=True)]


def _estimate(value: float | None, resampled: Sequence[float | None]) -> Estimate:
    known = [one for one in resampled if one is not None]
    reached = len(known) / len(resampled)
    told = value is not None and reached >= ENOUGH
    return Estimate(value=value, interval=middle_95(known) if told else None, reached=reached)


def curve_of(points: Points, strategy: str) -> Curve:
    """The curve of a strategy over its budgets. Raises ValueError when it has none."""
    return curve(point for (name, _), point in points.items() if name == strategy)


def envelope_of(points: Points, strategies: Collection[str]) -> Curve:
    """The envelope of all points of these strategies. Raises ValueError when there are none."""
    return envelope(point for (name, _), point in points.items() if name in strategies)


def difference_at(subject: Setting, baselines: Collection[str]) -> Statistic:
    """The subject's accuracy minus that of the baselines' envelope at the subject's mean cost."""

    def difference(points: Points) -> float | None:
        own = points[subject]
        best = envelope_of(points, baselines).accuracy_at(own.compute)
        return None if best is None else own.accuracy - best

    return difference


def cost_ratio(subject: str, baselines: Collection[str], *, accuracy: float) -> Statistic:
    """What the subject pays to reach an accuracy, by what the baselines' envelope pays for it."""

    def ratio(points: Points) -> float | None:
        return _ratio(points, subject, baselines, accuracy)

    return ratio


def cost_ratio_at(subject: Setting, baselines: Collection[str]) -> Statistic:
    """The cost ratio at the accuracy that the subject itself has at a budget, in each resample."""

    def ratio(points: Points) -> float | None:
        return _ratio(points, subject[0], baselines, points[subject].accuracy)

    return ratio


def _ratio(
    points: Points, subject: str, baselines: Collection[str], accuracy: float
) -> float | None:
    own = curve_of(points, subject).cost_of(accuracy)
    least = envelope_of(points, baselines).cost_of(accuracy)
    return own / least if own is not None and least else None


def gap_closed(strategy: str, low: Setting, high: Setting, *, compute: float) -> Statistic:
    """The share of the gap between two settings, such as pass@1 and pass@16, that the strategy's
    curve has closed at a cost."""

    def share(points: Points) -> float | None:
        return _share(points, curve_of(points, strategy).accuracy_at(compute), low, high)

    return share


def gap_closed_at(setting: Setting, low: Setting, high: Setting) -> Statistic:
    """The share of that gap that a strategy closes at one of its budgets."""

    def share(points: Points) -> float | None:
        return _share(points, points[setting].accuracy, low, high)

    return share


def _share(points: Points, accuracy: float | None, low: Setting, high: Setting) -> float | None:
    gap = points[high].accuracy - points[low].accuracy
    return (accuracy - points[low].accuracy) / gap if accuracy is not None and gap > 0 else None
