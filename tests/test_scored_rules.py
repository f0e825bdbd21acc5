"""Selection by the scores of a verifier, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent import Candidate, Usage
from its_agent.errors import InvalidOption
from its_agent.selection.rules import Rule
from its_agent.selection.score_weights import score_weights, softmax_weights
from its_agent.selection.scored_rules import BestOfMajority, BestScored, ScoreWeighted

some_scores = st.lists(st.none() | st.floats(), max_size=12)


def test_a_vote_weighs_its_score_and_an_unscored_one_the_average() -> None:
    assert score_weights([0.2, 0.6, None, 0.4]) == pytest.approx([0.5, 1.5, 1.0, 1.0])


def test_scores_that_say_nothing_leave_all_votes_equal() -> None:
    assert score_weights([None, None]) == [1.0, 1.0]
    assert score_weights([0.0, 0.0, None]) == [1.0, 1.0, 1.0]
    assert score_weights([]) == []


def test_a_score_below_zero_weighs_nothing() -> None:
    assert score_weights([-2.0, 1.0]) == pytest.approx([0.0, 2.0])


def test_cisc_is_a_softmax_over_confidences() -> None:
    # e^(.8/.4) : e^(.4/.4) : e^(0/.4) = e² : e : 1, scaled to an average of 1.
    total = math.e**2 + math.e + 1
    expected = [3 * math.e**2 / total, 3 * math.e / total, 1.0, 3 / total]
    assert softmax_weights([0.8, 0.4, None, 0.0], 0.4) == pytest.approx(expected)


def test_a_high_temperature_is_a_plain_vote_and_a_low_one_takes_the_surest() -> None:
    assert softmax_weights([0.9, 0.1], 1e9) == pytest.approx([1.0, 1.0])
    assert softmax_weights([0.9, 0.1], 1e-9) == pytest.approx([2.0, 0.0])


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature: float) -> None:
    with pytest.raises(InvalidOption, match="above 0"):
        softmax_weights([0.5], temperature)
    with pytest.raises(InvalidOption, match="above 0"):
        ScoreWeighted(signal="p_true", temperature=temperature)


@given(some_scores, st.none() | st.floats(1e-3, 1e3))
def test_weights_are_finite_and_the_known_ones_average_one(
    scores: list[float | None], temperature: float | None
) -> None:
    weights = score_weights(scores) if temperature is None else softmax_weights(scores, temperature)
    assert len(weights) == len(scores)
    assert all(math.isfinite(weight) and weight >= 0 for weight in weights)
    known = [
        weight
        for weight, score in zip(weights, scores, strict=True)
        if score is not None and math.isfinite(score)
    ]
    assert not known or sum(known) / len(known) == pytest.approx(1)


# The rules over candidates


def candidate(place: int, answer: str | None, score: float | None) -> Candidate:
    return Candidate(
        id=f"c{place}",
        text=f"Path {place}: {answer}",
        answer=answer,
        path="attempts",
        strategy="step_by_step@0.8",
        finish="stop",
        usage=Usage(),
        mean_logprob=-float(place),
        signals={} if score is None else {"p_true": score},
    )


def chosen(rule: Rule, *rows: tuple[str | None, float | None]) -> int | None:
    candidates = [candidate(place, *row) for place, row in enumerate(rows)]
    known = list(dict.fromkeys(row[0] for row in rows if row[0] is not None))
    return rule(
        candidates, [None if row[0] is None else known.index(row[0]) for row in rows]
    ).chosen


def test_the_sum_of_scores_decides_and_the_best_of_its_answer_is_chosen() -> None:
    rows = (("7", 0.2), ("7", 0.3), ("8", 0.9), ("7", 0.25), ("8", None))
    # 7: .2 + .3 + .25 = .75; 8: .9 and the average .4125.
    assert chosen(ScoreWeighted(signal="p_true"), *rows) == 2
    # Twice as many votes of .5 outweigh one of .9.
    assert chosen(ScoreWeighted(signal="p_true"), ("8", 0.9), ("7", 0.4), ("7", 0.6)) == 2


def test_the_temperature_says_how_much_a_score_counts() -> None:
    rows = (("7", 0.5), ("7", 0.5), ("8", 0.9))
    # e^(.4/T) against 2: T below .4/ln 2 = .577 takes the surest.
    assert chosen(ScoreWeighted(signal="p_true", temperature=0.57), *rows) == 2
    assert chosen(ScoreWeighted(signal="p_true", temperature=0.58), *rows) == 0


def test_unscored_candidates_vote_with_the_average_of_those_who_vote() -> None:
    # The score of one without an answer would move the average from .3 to .6.
    rows = ((None, 0.9), ("7", 0.3), ("8", None), ("8", None), ("7", None))
    candidates = [candidate(place, *row) for place, row in enumerate(rows)]
    choice = ScoreWeighted(signal="p_true")(candidates, [None, 0, 1, 1, 0])
    assert list(choice.weights) == pytest.approx([0.0, 1.0, 1.0, 1.0, 1.0])


def test_the_best_scored_candidate_wins_and_one_without_an_answer_never() -> None:
    rows = (("7", 0.2), (None, 1.0), ("8", 0.7), ("7", 0.7), ("7", None))
    assert chosen(BestScored(signal="p_true"), *rows) == 2


def test_negative_scores_rank_as_well() -> None:
    assert chosen(BestScored(signal="p_true"), ("7", -5.0), ("8", -1.0), ("9", None)) == 1


def test_the_best_scored_of_the_frequent_answers_wins() -> None:
    rows = (("7", 0.2), ("7", 0.6), ("8", 0.4), ("8", 0.5), ("9", 1.0))
    assert chosen(BestOfMajority(signal="p_true", frequency=0.4), *rows) == 1
    assert chosen(BestOfMajority(signal="p_true", frequency=0.2), *rows) == 4
    with pytest.raises(InvalidOption, match="frequency"):
        BestOfMajority(signal="p_true", frequency=1.5)


@pytest.mark.parametrize("rule", [BestScored(signal="p_true"), BestOfMajority(signal="p_true")])
def test_without_scores_the_vote_decides_and_the_choice_says_so(rule: Rule) -> None:
    rows = [("8", None), ("7", None), ("7", None), ("7", float("nan"))]
    candidates = [candidate(place, "7", score) for place, (_, score) in enumerate(rows)]
    choice = rule(candidates, [0, 1, 1, 1])
    assert choice.is_vote
    assert choice.chosen == 0
    scored = [candidate(0, "8", None), candidate(1, "7", 0.1)]
    assert not rule(scored, [0, 1]).is_vote
    assert rule(scored, [0, 1]).chosen == 1


ALL_RULES = (
    ScoreWeighted(signal="p_true"),
    ScoreWeighted(signal="p_true", temperature=0.3),
    BestScored(signal="p_true"),
    BestOfMajority(signal="p_true"),
)


@given(
    st.lists(st.tuples(st.none() | st.sampled_from("789"), st.none() | st.floats()), max_size=20),
    st.sampled_from(ALL_RULES),
)
def test_whoever_has_an_answer_can_be_chosen_and_nobody_else(
    rows: list[tuple[str | None, float | None]], rule: Rule
) -> None:
    place = chosen(rule, *rows)
    if any(answer is not None for answer, _ in rows):
        assert place is not None
        assert rows[place][0] is not None
    else:
        assert place is None
