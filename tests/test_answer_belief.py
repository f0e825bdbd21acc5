"""The belief over answers: known values by hand, and what must hold of any."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.difficulty.answer_belief import AnswerBelief, Habits, Observation, Tally
from its_agent.difficulty.prospects import prospects

EVEN = Habits(strength=2.0, spread=6.0)


def after(*answers: int | None, success: float = 0.5, habits: Habits = EVEN) -> AnswerBelief:
    start = AnswerBelief.of(success, habits)
    return start.after(Observation(answer=answer) for answer in answers)


votes = st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=16)


def test_one_answer_is_as_likely_as_a_sample_is_to_be_right() -> None:
    """Γ(θ + 1) / (Γ(θ) θ) = 1, so its odds are those of the prior: m against 1 − m."""
    assert after(7).posterior == {7: pytest.approx(0.5)}
    assert after(7, success=0.2).best[1] == pytest.approx(0.2)


def test_two_equal_answers_by_hand() -> None:
    """κ = 2, m = ½, θ = 6: B(3, 1) / B(1, 3) = 1, times Γ(8) / (Γ(6) · 6 · Γ(2)) = 42 / 6 = 7."""
    assert after(7, 7).posterior == {7: pytest.approx(7 / 8)}


def test_two_different_answers_by_hand() -> None:
    """For either: B(2, 2) / B(1, 3) = ½, times Γ(8) / (Γ(7) · 6) = 7 / 6: odds of 7 to 12."""
    posterior = after(1, 2).posterior
    assert posterior[1] == posterior[2] == pytest.approx((7 / 12) / (1 + 14 / 12))


def test_a_sample_without_an_answer_speaks_for_a_hard_problem() -> None:
    assert after(1, None).best[1] < after(1).best[1]


def test_evidence_multiplies_the_odds_as_far_as_it_is_trusted() -> None:
    trusting = Habits(strength=2.0, spread=6.0, trust=0.5)
    start = AnswerBelief.of(0.5, trusting)
    told = start.after([Observation(answer=1, evidence=math.log(9))])
    assert told.best[1] == pytest.approx(3 / 4), "the root of 9 to 1"
    assert told.told({1: math.log(3)}).best[1] == pytest.approx(9 / 10), "verifiers count in full"


def test_evidence_of_equal_answers_counts_less_each_time() -> None:
    """Two samples that each say 9 to 1: the root of 81 to 1 where they are as one, 9 to 1 times the
    odds of two equal answers."""
    alike = Habits(strength=2.0, spread=6.0, trust=1.0, likeness=1.0)
    seen = [Observation(answer=1, evidence=math.log(9))] * 2
    odds = {name: 0.0 for name in ("alike", "apart", "none")}
    for name, habits in (("alike", alike), ("apart", replace(alike, likeness=0.0)), ("none", EVEN)):
        best = AnswerBelief.of(0.5, habits).after(seen).best[1]
        odds[name] = best / (1 - best)
    assert odds["alike"] == pytest.approx(9 * odds["none"])
    assert odds["apart"] == pytest.approx(81 * odds["none"])


def test_likeness_is_within_a_model() -> None:
    """What two models say of one answer counts in full."""
    alike = Habits(strength=2.0, spread=6.0, trust=1.0, likeness=1.0)
    tallies = {name: Tally(success=0.5, habits=alike) for name in ("small", "large")}
    seen = [Observation(answer=1, evidence=math.log(3), model=name) for name in tallies]
    plain = [replace(one, evidence=0.0) for one in seen]
    with_it, without = (AnswerBelief(tallies=tallies).after(ones).best[1] for ones in (seen, plain))
    assert with_it / (1 - with_it) == pytest.approx(9 * without / (1 - without))


def test_a_vote_of_double_weight_counts_as_two() -> None:
    double = AnswerBelief.of(0.5, EVEN).after([Observation(answer=1, weight=2.0)])
    assert double.posterior == pytest.approx(after(1, 1).posterior)


@given(votes)
def test_the_posterior_is_one(answers: list[int | None]) -> None:
    posterior = after(*answers).posterior
    assert set(posterior) == {answer for answer in answers if answer is not None}
    assert all(0 < one < 1 for one in posterior.values())
    assert sum(posterior.values()) <= 1 + 1e-9


@given(votes, st.randoms())
def test_the_order_of_samples_does_not_matter(
    answers: list[int | None], chance: random.Random
) -> None:
    shuffled = list(answers)
    chance.shuffle(shuffled)
    assert after(*shuffled).posterior == pytest.approx(after(*answers).posterior)


@given(st.integers(1, 15))
def test_another_equal_answer_makes_it_likelier(seen: int) -> None:
    assert after(*[0] * (seen + 1)).posterior[0] > after(*[0] * seen).posterior[0]


@given(st.integers(1, 12))
def test_more_different_answers_make_the_next_sample_less_likely_right(seen: int) -> None:
    assert after(*range(seen + 1)).next_success() < after(*range(seen)).next_success()


def test_before_the_first_sample_the_next_is_right_as_often_as_expected() -> None:
    assert after(success=0.3).next_success() == pytest.approx(0.3)
    assert after(success=0.3).best == (None, 0.0)


@given(votes)
def test_looking_ahead_loses_nothing_and_is_repeatable(answers: list[int | None]) -> None:
    belief = after(*answers)
    seen = prospects(belief, seed=3)
    assert seen == prospects(belief, seed=3)
    assert all(prospect.gain >= 0 for prospect in seen)


def test_one_more_sample_changes_nothing_where_two_can() -> None:
    """Five votes against four: one more ties them at best, eight can turn the vote."""
    gains = {p.samples: p.gain for p in prospects(after(*[1] * 6, *[2] * 4, habits=EVEN))}
    assert gains[1] == 0
    assert gains[8] > 0


def test_the_first_sample_is_expected_to_bring_what_a_sample_is_worth() -> None:
    (first, *_) = prospects(after(success=0.3), at_most=1)
    assert first.gain == pytest.approx(0.3, abs=1e-9)


def test_a_gain_is_told_at_the_part_that_came_true() -> None:
    torn = (1, 1, 2, 2)
    whole, half = (
        prospects(after(*torn, habits=replace(EVEN, foresight=part))) for part in (1.0, 0.5)
    )
    assert whole[-1].gain > 0.1
    assert [one.gain for one in half] == pytest.approx([one.gain / 2 for one in whole])


def test_a_sure_answer_leaves_nothing_to_gain() -> None:
    assert max(p.gain for p in prospects(after(*[1] * 16))) < 0.001


def test_no_more_than_may_be_bought_is_looked_at() -> None:
    assert [p.samples for p in prospects(after(1), at_most=5)] == [1, 2, 4]
    assert prospects(after(1), at_most=0) == []
