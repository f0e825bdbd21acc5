"""Votes add up, missing answers never vote, and a vote is settled as the Beta rule says."""

from __future__ import annotations

import importlib
import math
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.errors import InvalidOption
from its_agent.selection.best_of import best_of, best_of_majority
from its_agent.selection.stopping import beta_lead, decided, settled, standing_lead
from its_agent.selection.votes import (
    Ballot,
    Standings,
    log_probability_weights,
    majority,
    tally,
    weighted,
)

# scipy has no types; through import_module it is Any to the type checkers.
scipy_special: Any = importlib.import_module("scipy.special")

weights = st.floats(min_value=0.01, max_value=100)
clusters = st.integers(min_value=0, max_value=4)


@st.composite
def votes(draw: st.DrawFn) -> Ballot:
    cluster = draw(clusters)
    return Ballot(answer=f"answer {cluster}", cluster=cluster, weight=draw(weights))


ballots = votes()
missing = st.builds(Ballot, answer=st.none(), cluster=st.none() | clusters, weight=weights)


@given(st.lists(ballots, max_size=12), st.randoms())
def test_the_order_of_the_ballots_changes_nothing(cast: list[Ballot], random: Random) -> None:
    assert tally(random.sample(cast, len(cast))) == tally(cast)


@given(st.lists(ballots, max_size=12), st.lists(missing, max_size=12))
def test_missing_answers_never_vote(cast: list[Ballot], absent: list[Ballot]) -> None:
    assert tally([*absent, *cast, *absent]) == tally(cast)


@given(st.lists(ballots, min_size=1, max_size=12), weights)
def test_one_more_vote_for_the_leader_keeps_it_ahead(cast: list[Ballot], weight: float) -> None:
    leader = tally(cast).leader
    assert leader is not None
    more = Ballot(answer=leader.answer, cluster=leader.cluster, weight=weight)
    after = tally([*cast, more])
    assert after.leader is not None
    assert after.leader.cluster == leader.cluster
    assert standing_lead(after) >= standing_lead(tally(cast))


@given(st.lists(ballots, max_size=12))
def test_weights_and_counts_add_up(cast: list[Ballot]) -> None:
    standings = tally(cast)
    assert standings.votes == len(cast)
    assert standings.weight == pytest.approx(sum(ballot.weight for ballot in cast))
    assert all(a.weight >= b.weight for a, b in pairwise(standings.ranking))


def test_three_missing_answers_do_not_outvote_a_real_one() -> None:
    standings = majority([None, "7", None, None], [None, 0, None, None])
    assert standings.leader is not None
    assert (standings.leader.answer, standings.votes, standings.leader_share) == ("7", 1, 1.0)
    assert standings.is_unanimous


def test_nobody_voted() -> None:
    standings = tally([])
    assert standings == Standings()
    assert (standings.leader, standings.runner_up, standings.leader_share) == (None, None, 0.0)
    assert standing_lead(standings) == 0.5
    assert not settled(standings)


def test_ties_go_to_the_larger_count_then_to_the_earliest() -> None:
    by_count = weighted(["a", "b", "b"], [0, 1, 1], [2.0, 1.0, 1.0])
    earliest = majority(["a", "b"], [0, 1])
    assert by_count.leader is not None
    assert earliest.leader is not None
    assert earliest.runner_up is not None
    assert (by_count.leader.answer, earliest.leader.answer) == ("b", "a")
    assert earliest.runner_up.answer == "b"


def test_weight_can_beat_count() -> None:
    leader = weighted(["a", "b", "b"], [0, 1, 1], [3.0, 1.0, 1.0]).leader
    assert leader is not None
    assert (leader.answer, leader.weight, leader.count) == ("a", 3.0, 1)


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_a_ballot_of_no_possible_weight_is_refused(weight: float) -> None:
    with pytest.raises(InvalidOption, match="at least 0"):
        Ballot(answer="a", cluster=0, weight=weight)


def test_log_probability_weights_follow_the_formula() -> None:
    got = log_probability_weights([-0.1, -0.2, None], temperature=0.1)
    total = math.exp(-1) + math.exp(-2)
    assert got == pytest.approx([2 * math.exp(-1) / total, 2 * math.exp(-2) / total, 1.0])


@given(st.lists(st.floats(min_value=-1e6, max_value=0) | st.none(), max_size=20))
def test_log_probability_weights_average_one_and_stay_finite(values: list[float | None]) -> None:
    got = log_probability_weights(values)
    known = [w for w, value in zip(got, values, strict=True) if value is not None]
    assert all(math.isfinite(weight) and weight >= 0 for weight in got)
    assert not known or sum(known) / len(known) == pytest.approx(1)


def test_a_vote_temperature_of_zero_is_refused() -> None:
    with pytest.raises(InvalidOption, match="above 0"):
        log_probability_weights([-0.1], temperature=0)


@pytest.mark.parametrize(
    ("v1", "v2", "lead"), [(1, 0, 0.75), (2, 0, 0.875), (4, 0, 0.96875), (1, 1, 0.5)]
)
def test_beta_lead_of_small_votes(v1: float, v2: float, lead: float) -> None:
    assert beta_lead(v1, v2) == pytest.approx(lead, abs=1e-12)


def test_beta_lead_agrees_with_scipy() -> None:
    for v1 in range(50):
        for v2 in range(50):
            for shift in (0.0, 0.37):
                expected = 1 - scipy_special.betainc(v1 + shift + 1, v2 + 1, 0.5)
                assert beta_lead(v1 + shift, v2) == pytest.approx(expected, abs=1e-10)


@given(st.floats(min_value=0, max_value=1e4), st.floats(min_value=0, max_value=1e4))
def test_beta_leads_of_both_sides_add_to_one(v1: float, v2: float) -> None:
    assert 0 <= beta_lead(v1, v2) <= 1
    assert beta_lead(v1, v2) + beta_lead(v2, v1) == pytest.approx(1, abs=1e-9)


def test_four_in_agreement_settle_a_vote_and_three_do_not() -> None:
    assert settled(majority(["a"] * 4, [0] * 4))
    assert not settled(majority(["a"] * 3, [0] * 3))
    assert not settled(majority(["a"] * 4 + ["b"], [0, 0, 0, 0, 1]))
    with pytest.raises(InvalidOption, match="below 1"):
        settled(Standings(), confidence=1.0)


def test_best_of_takes_the_first_of_the_highest() -> None:
    assert best_of([0.1, None, 0.9, math.nan, 0.9]) == 2
    assert best_of([-3.0, -1.0]) == 1
    assert best_of([None]) is None
    assert best_of([]) is None


def test_best_of_majority_ignores_a_rare_answer_with_a_high_score() -> None:
    answers = [0, 0, 1, 1, 2, None]
    scores = [0.1, 0.3, 0.6, 0.2, 0.99, 1.0]
    assert best_of_majority(answers, scores, frequency=0.3) == 2
    assert best_of_majority(answers, scores, frequency=0.1) == 4
    assert best_of_majority(answers, scores, frequency=1.0) == 2
    assert best_of_majority(answers, [None] * 6, frequency=0.3) == 0
    assert best_of_majority([None], [0.4], frequency=0.3) is None


@pytest.mark.parametrize(
    ("votes", "running", "is_decided"),
    [
        ([], 4, False),
        ([4.0], 0, True),
        ([3.0], 1, False),
        ([12.0], 3, True),
        ([9.0], 6, False),
        ([7.0, 1.0], 1, False),
        ([8.0, 1.0], 1, True),
    ],
)
def test_a_vote_is_decided_when_all_that_still_runs_could_not_change_it(
    votes: list[float], running: float, is_decided: bool
) -> None:
    assert decided(votes, running) is is_decided
