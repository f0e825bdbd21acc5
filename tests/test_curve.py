"""Accuracy against cost: straight lines between points, nothing beyond them, and the upper hull."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.bench.curve import Point, curve, envelope


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(compute=compute, accuracy=accuracy) for compute, accuracy in pairs]


POINTS = st.lists(
    st.builds(
        Point,
        compute=st.integers(1, 60).map(float),
        accuracy=st.integers(0, 20).map(lambda n: n / 20),
    ),
    min_size=1,
    max_size=12,
)


def test_a_curve_is_straight_between_its_points_and_ends_with_them() -> None:
    seen = curve(points((400, 0.5), (100, 0.2), (200, 0.4)))
    assert seen.accuracy_at(100) == 0.2
    assert seen.accuracy_at(150) == pytest.approx(0.3)
    assert seen.accuracy_at(300) == pytest.approx(0.45)
    assert seen.accuracy_at(400) == pytest.approx(0.5)
    assert seen.accuracy_at(99) is None
    assert seen.accuracy_at(401) is None


def test_what_an_accuracy_costs_is_told_only_where_the_curve_rises_to_it() -> None:
    seen = curve(points((100, 0.2), (200, 0.4), (300, 0.3), (400, 0.5)))
    assert seen.cost_of(0.2) == 100
    assert seen.cost_of(0.3) == pytest.approx(150), "the first time"
    assert seen.cost_of(0.45) == pytest.approx(375)
    assert seen.cost_of(0.5) == pytest.approx(400)
    assert seen.cost_of(0.1) is None
    assert seen.cost_of(0.6) is None


def test_a_curve_of_one_point_holds_at_its_cost_alone() -> None:
    one = curve(points((100, 0.2)))
    assert (one.accuracy_at(100), one.cost_of(0.2)) == (0.2, 100)
    assert (one.accuracy_at(101), one.cost_of(0.3)) == (None, None)
    with pytest.raises(ValueError, match="at least one"):
        curve([])


def test_the_best_of_several_points_at_one_cost_counts() -> None:
    assert curve(points((100, 0.4), (100, 0.2), (100, 0.3))).points == (*points((100, 0.4)),)


def test_the_envelope_is_the_upper_hull_and_stays_level_to_the_dearest_point() -> None:
    """By hand: (200, .25) lies under the line from (100, .2) to (300, .6), (400, .55) under the
    best, and the dearest point ends it."""
    best = envelope(points((400, 0.55), (100, 0.2), (300, 0.6), (200, 0.25), (500, 0.5)))
    assert best.points == (*points((100, 0.2), (300, 0.6), (500, 0.6)),)
    assert best.accuracy_at(200) == pytest.approx(0.4)
    assert best.accuracy_at(450) == pytest.approx(0.6)
    assert best.accuracy_at(501) is None
    assert best.cost_of(0.3) == pytest.approx(150)


def test_a_corner_above_the_line_stays() -> None:
    best = envelope(points((100, 0.2), (200, 0.4), (250, 0.45), (400, 0.5)))
    assert len(best.points) == 4


@given(POINTS)
def test_an_envelope_dominates_every_point_and_never_falls(given_points: list[Point]) -> None:
    best = envelope(given_points)
    for point in given_points:
        reached = best.accuracy_at(point.compute)
        assert reached is not None
        assert reached >= point.accuracy - 1e-12
        cost = best.cost_of(point.accuracy)
        assert cost is None or cost <= point.compute + 1e-9
    accuracies = [corner.accuracy for corner in best.points]
    assert accuracies == sorted(accuracies)


@given(POINTS)
def test_an_envelope_bends_down_only_and_its_corners_are_points(given_points: list[Point]) -> None:
    best = envelope(given_points)
    steps = zip(best.points, best.points[1:], strict=False)
    slopes = [(b.accuracy - a.accuracy) / (b.compute - a.compute) for a, b in steps]
    assert all(later <= earlier + 1e-12 for earlier, later in zip(slopes, slopes[1:], strict=False))
    assert set(best.points[:-1]) <= set(given_points)


@given(POINTS)
def test_the_order_of_points_does_not_matter(given_points: list[Point]) -> None:
    assert envelope(given_points[::-1]) == envelope(given_points)
    assert curve(given_points[::-1]) == curve(given_points)
