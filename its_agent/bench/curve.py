"""Accuracy against cost: a strategy's curve, and the envelope of several strategies' points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a strategy stands at one budget."""

    compute: float
    """Compute units a problem, on average."""
    accuracy: float
    """Share of right answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points by rising cost, with straight lines between them and nothing beyond them."""

    points: tuple[Point, ...]

    def accuracy_at(self, compute: float) -> float | None:
        """The accuracy at a cost; None where the curve does not reach so far, or begins later."""
        if not self.points[0].compute <= compute <= self.points[-1].compute:
            return None
        for before, after in pairwise(self.points):
            if compute <= after.compute:
                share = (compute - before.compute) / (after.compute - before.compute)
                return _between(before.accuracy, after.accuracy, share)
        return self.points[0].accuracy

    def cost_of(self, accuracy: float) -> float | None:
        """The least cost at which the curve rises to an accuracy; None where it never does, or
        begins above it."""
        if accuracy <= self.points[0].accuracy:
            return self.points[0].compute if accuracy == self.points[0].accuracy else None
        for before, after in pairwise(self.points):
            if before.accuracy < accuracy <= after.accuracy:
                share = (accuracy - before.accuracy) / (after.accuracy - before.accuracy)
                return _between(before.compute, after.compute, share)
        return None


def curve(points: Iterable[Point]) -> Curve:
    """The curve through the points; of several at one cost the best. Raises ValueError without
    points."""
    best = {point.compute: point for point in sorted(points, key=lambda p: (p.compute, p.accuracy))}
    if not best:
        raise ValueError("a curve needs at least one point")
    return Curve(points=tuple(best.values()))


def envelope(points: Iterable[Point]) -> Curve:
    """The best accuracy at each cost that the points allow: their upper hull, which never falls.

    What lies between two points is reached by drawing one of them at random for each problem, and
    what lies beyond the most accurate one by not spending more. It ends at the dearest point.
    """
    rising = curve(points).points
    hull = list(_hull(rising))
    dearest = rising[-1].compute
    if hull[-1].compute < dearest:
        hull.append(Point(compute=dearest, accuracy=hull[-1].accuracy))
    return Curve(points=tuple(hull))


def _hull(points: Sequence[Point]) -> Iterator[Point]:
    """The corners of the upper hull from the cheapest point up to the most accurate one
    (Andrew 1979, the upper half of the monotone chain)."""
    corners: list[Point] = []
    for point in points:
        if corners and point.accuracy <= corners[-1].accuracy:
            continue
        while len(corners) > 1 and not _is_above(corners[-1], corners[-2], point):
            corners.pop()
        corners.append(point)
    yield from corners


def _is_above(corner: Point, before: Point, after: Point) -> bool:
    """Whether a corner lies above the line from the one before to the one after it."""
    run, rise = after.compute - before.compute, after.accuracy - before.accuracy
    return (corner.accuracy - before.accuracy) * run > rise * (corner.compute - before.compute)


def _between(start: float, end: float, share: float) -> float:
    return start + share * (end - start)
