"""What the votes of an arm are worth is learnt, and little evidence changes little."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.errors import InvalidOption
from its_agent.selection.reliability import Count, Reliabilities, agreement, learnt


def test_nothing_measured_leaves_the_known_arms_at_one_and_others_at_half() -> None:
    default = Reliabilities()
    assert default.of("step_by_step@0.8") == default.of("plain") == 1.0
    assert default.of("analogy@0.8") == 0.5
    assert learnt([]).of("analogy") == 0.5


def test_weights_are_the_log_odds_of_the_shrunken_rates() -> None:
    # By hand: the mean is 141/202, so p = (90 + 20 × .69802)/120 = .86634 and .53300.
    good, poor = Count(arm="a", right=90, samples=100), Count(arm="b", right=50, samples=100)
    learned = learnt([good, poor], strength=20, spread=1)
    assert learned.of("a@0") == 1.0
    assert learned.of("b@0.8") == pytest.approx(0.132206 / 1.868952, rel=1e-4)


def test_wrong_answers_that_spread_make_a_rare_right_one_worth_counting() -> None:
    counts = [Count(arm="a", right=300, samples=1000), Count(arm="b", right=100, samples=1000)]
    assert learnt(counts, spread=1).of("b") == 1.0, "both speak against their answers"
    wide = learnt(counts, spread=8, strength=1e-9)
    assert wide.of("a") == 1.0
    assert wide.of("b") == 0.0, "8 × .1/.9 is below 1"
    wider = learnt(counts, spread=20, strength=1e-9)
    assert wider.of("b") == pytest.approx(math.log(20 / 9) / math.log(20 * 3 / 7))


@given(st.integers(0, 50), st.integers(1, 50))
def test_little_evidence_changes_little_and_much_decides(right: int, more: int) -> None:
    base = Count(arm="a", right=600, samples=1000)
    samples = right + more
    few = learnt([base, Count(arm="b", right=right, samples=samples)])
    many = learnt([base, Count(arm="b", right=right * 200, samples=samples * 200)])
    none = learnt([base, Count(arm="b", right=0, samples=0)])
    assert all(0 <= one.of(arm) <= 1 for one in (few, many) for arm in "ab")
    assert none.of("b") == pytest.approx(1.0, abs=0.01)
    gap_few = few.of("b") - few.of("a")
    gap_many = many.of("b") - many.of("a")
    assert abs(gap_few) <= abs(gap_many) + 0.05


@given(st.integers(1, 99))
def test_more_right_answers_never_weigh_less(right: int) -> None:
    other = Count(arm="a", right=60, samples=100)
    less = learnt([other, Count(arm="b", right=right - 1, samples=100)])
    more = learnt([other, Count(arm="b", right=right, samples=100)])
    assert more.of("b") - more.of("a") >= less.of("b") - less.of("a") - 1e-12


def test_without_labels_an_arm_is_right_when_it_agrees_with_the_others_leader() -> None:
    strategies = ["a@0", "a@0.8", "a@0.8", "b@0.8", "b@0.8", "c@0.8"]
    clusters = [0, 0, 1, 0, 2, None]
    assert agreement(strategies, clusters) == (Count(arm="b", right=1, samples=2),)
    assert agreement(["a", "b", "b"], [0, 0, 0]) == (
        Count(arm="a", right=1, samples=1),
        Count(arm="b", right=2, samples=2),
    )
    assert agreement(["a", "a"], [0, 0]) == ()


@pytest.mark.parametrize("wrong", [(2, 1), (-1, 1)])
def test_counts_that_cannot_be_are_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(InvalidOption, match="right of"):
        Count(arm="a", right=wrong[0], samples=wrong[1])
    with pytest.raises(InvalidOption, match="above 0"):
        learnt([], strength=0)
