"""Strategies at equal cost and at equal accuracy, with problems as what is resampled."""

from __future__ import annotations

import pytest
from bench_runs import a_run, outcomes
from hypothesis import given, settings
from hypothesis import strategies as st

from its_agent.bench.curve import Point
from its_agent.bench.equal_cost import (
    cost_ratio,
    cost_ratio_at,
    difference_at,
    estimates,
    gap_closed,
    gap_closed_at,
)
from its_agent.bench.per_problem import Outcomes, Points, problem_table
from its_agent.bench.runs import Run
from its_agent.errors import InvalidInput

LEFT, RIGHT = ("vote",), {"vote", "new"}


def at(*named: tuple[str, int, float, float]) -> Points:
    return {
        (strategy, budget): Point(compute=compute, accuracy=accuracy)
        for strategy, budget, compute, accuracy in named
    }


STANDING = at(
    ("vote", 1, 100, 0.2),
    ("vote", 2, 500, 0.6),
    ("new", 1, 100, 0.2),
    ("new", 2, 300, 0.6),
    ("new", 3, 600, 0.7),
    ("pass@", 1, 90, 0.2),
    ("pass@", 16, 900, 0.8),
)


def test_the_difference_is_taken_at_the_same_mean_cost() -> None:
    """By hand: the envelope has .2 + .4 × 200/400 = .4 at 300."""
    assert difference_at(("new", 1), LEFT)(STANDING) == 0
    assert difference_at(("new", 2), LEFT)(STANDING) == pytest.approx(0.2)
    assert difference_at(("new", 3), LEFT)(STANDING) is None, "the envelope ends at 500"


def test_the_cost_ratio_is_taken_at_the_same_accuracy() -> None:
    """By hand: .4 costs the subject 200 and the envelope 300."""
    assert cost_ratio("new", LEFT, accuracy=0.4)(STANDING) == pytest.approx(2 / 3)
    assert cost_ratio_at(("new", 2), LEFT)(STANDING) == pytest.approx(3 / 5)
    assert cost_ratio("new", LEFT, accuracy=0.7)(STANDING) is None
    assert cost_ratio("new", LEFT, accuracy=0.1)(STANDING) is None


def test_the_gap_that_is_closed_is_a_share_of_what_the_samples_hold() -> None:
    low, high = ("pass@", 1), ("pass@", 16)
    assert gap_closed("new", low, high, compute=200)(STANDING) == pytest.approx(1 / 3)
    assert gap_closed_at(("new", 2), low, high)(STANDING) == pytest.approx(2 / 3)
    assert gap_closed("new", low, high, compute=1000)(STANDING) is None
    assert gap_closed_at(("new", 2), low, low)(STANDING) is None, "there is no gap"


def test_a_problems_orders_are_averaged_before_anything_else() -> None:
    """By hand: p0 comes to .5 and p1 to 1, though p0 has more runs."""
    orders = [a_run("p0", "new", 1, correct=n % 2 == 0, compute=100 * n, order=n) for n in range(4)]
    table = problem_table([*orders, a_run("p1", "new", 1, correct=True, compute=250)], {"new"})
    assert table.outcomes["new", 1] == Outcomes(accuracy=(0.5, 1.0), compute=(150.0, 250.0))
    assert table.points == at(("new", 1, 200, 0.75))
    assert table.points_of([0, 0, 1, 0]) == at(("new", 1, 175, 0.625))


def test_only_problems_of_every_setting_are_compared() -> None:
    runs = [*outcomes("new", "+-+"), *outcomes("vote", "+-"), *outcomes("other", "+")]
    assert problem_table(runs, RIGHT).problems == ("p0", "p1")
    with pytest.raises(InvalidInput, match="share no problem"):
        problem_table([*outcomes("new", "+"), a_run("q", "vote", 1, correct=True)], RIGHT)


def rivals(new: str, vote: str, *, order: int = 0, compute: int = 300) -> list[Run]:
    """Votes at 100 and at 500 units, and the new one between them."""
    return [
        *outcomes("vote", "-" * len(vote), budget=100, compute=100, order=order),
        *outcomes("vote", vote, budget=500, compute=500, order=order),
        *outcomes("new", new, budget=300, compute=compute, order=order),
    ]


def test_an_estimate_has_its_interval_from_resampled_problems() -> None:
    """By hand: 8 of 8 against half of 8 × .5; the resampled difference is 1 − k/16, k binomial."""
    table = problem_table(rivals("+" * 8, "++++----"), RIGHT)
    (seen,) = estimates(table, [difference_at(("new", 300), LEFT)])
    assert seen.value == pytest.approx(0.75)
    assert seen.reached == 1
    assert seen.interval is not None
    assert (seen.interval.low, seen.interval.high) == (1 - 7 / 16, 1 - 1 / 16)


def test_what_is_not_reached_has_no_interval_and_what_is_seldom_reached_says_so() -> None:
    beyond = problem_table(rivals("+-", "+-", compute=501), RIGHT)
    (seen,) = estimates(beyond, [difference_at(("new", 300), LEFT)])
    assert (seen.value, seen.interval, seen.reached) == (None, None, 0)
    # The votes fall short of the subject where its right problem is drawn more often than theirs.
    level = problem_table(rivals("+-------", "-+------"), RIGHT)
    (ratio,) = estimates(level, [cost_ratio_at(("new", 300), LEFT)])
    assert ratio.value == pytest.approx(300 / 500)
    assert 0.5 < ratio.reached < 0.8
    assert ratio.interval is not None


def test_orders_of_the_same_problem_are_not_more_problems() -> None:
    once = rivals("++-+--+-", "+-+---+-")
    again = [run.model_copy(update={"order": order}) for run in once for order in range(9)]
    asked = [difference_at(("new", 300), LEFT)]
    assert estimates(problem_table(again, RIGHT), asked) == estimates(
        problem_table(once, RIGHT), asked
    )


@settings(max_examples=25)
@given(st.lists(st.text("+-", min_size=5, max_size=5), min_size=1, max_size=3))
def test_the_order_of_orders_and_of_runs_does_not_matter(orders: list[str]) -> None:
    runs = [run for n, marks in enumerate(orders) for run in rivals(marks, marks[::-1], order=n)]
    turned = [run.model_copy(update={"order": len(orders) - 1 - run.order}) for run in runs[::-1]]
    asked = [difference_at(("new", 300), LEFT), cost_ratio_at(("new", 300), LEFT)]
    first, second = (
        estimates(problem_table(some, RIGHT), asked, resamples=40) for some in (runs, turned)
    )
    assert first == second


@settings(max_examples=25)
@given(st.lists(st.tuples(st.text("+-", min_size=6, max_size=6), st.integers(1, 9)), min_size=1))
def test_a_strategy_never_stands_above_an_envelope_that_holds_it(
    told: list[tuple[str, int]],
) -> None:
    runs = [
        run
        for name in ("new", "vote")
        for budget, (marks, cost) in enumerate(told)
        for run in outcomes(name, marks, budget=budget, compute=cost * 100)
    ]
    asked = [difference_at(("new", budget), LEFT) for budget in range(len(told))]
    for seen in estimates(problem_table(runs, RIGHT), asked, resamples=40):
        assert seen.value is not None
        assert seen.value <= 1e-12
        assert seen.interval is not None
        assert seen.interval.high <= 1e-12


@settings(max_examples=25)
@given(st.text("+-", min_size=1, max_size=9), st.integers(1, 900))
def test_identical_strategies_differ_by_nothing(marks: str, compute: int) -> None:
    runs = [*outcomes("new", marks, compute=compute), *outcomes("vote", marks, compute=compute)]
    asked = [difference_at(("new", 500), LEFT), cost_ratio_at(("new", 500), LEFT)]
    difference, ratio = estimates(problem_table(runs, RIGHT), asked, resamples=40)
    assert difference.value == 0
    assert difference.interval is not None
    assert 0 in difference.interval
    assert ratio.value == 1
    assert ratio.interval is not None
    assert 1 in ratio.interval
