"""Tournaments find the best with the number of comparisons that they promise, and no comparison
that failed is made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.errors import InvalidOption
from its_agent.selection.bradley_terry import bradley_terry
from its_agent.selection.knockout import Knockout
from its_agent.selection.league import League, win_rate
from its_agent.selection.pivot import Pivot
from its_agent.selection.tournament import Pair, Tournament, TournamentState, outcome, wins

ALL: tuple[Tournament, ...] = (Knockout(), League(), Pivot())


def played(
    tournament: Tournament, entrants: int, judge: Callable[[Pair], float | None]
) -> tuple[TournamentState, list[Pair]]:
    """The state at the end, and what was asked on the way."""
    state = tournament.start(entrants)
    asked: list[Pair] = []
    while not tournament.finished(state):
        for pair in tournament.ask(state):
            asked.append(pair)
            state = tournament.tell(state, pair, judge(pair))
    return state, asked


def by_strength(strengths: Sequence[float]) -> Callable[[Pair], float]:
    return lambda pair: float(strengths[pair.first] > strengths[pair.second])


strengths_of_some = st.integers(1, 12).flatmap(lambda n: st.permutations(range(n)))


# What all have in common


@given(strengths_of_some, st.sampled_from((Knockout(), Knockout(comparisons=1), Pivot())))
def test_a_judge_without_errors_finds_the_best(
    strengths: Sequence[int], tournament: Tournament
) -> None:
    state, _ = played(tournament, len(strengths), by_strength(strengths))
    assert strengths[tournament.ranking(state)[0]] == max(strengths)


@given(
    st.integers(1, 9),
    st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=50),
    st.sampled_from(ALL),
)
def test_every_tournament_ends_and_ranks_everyone_once(
    entrants: int, said: list[float | None], tournament: Tournament
) -> None:
    turns = iter(said * 100)
    state, _ = played(tournament, entrants, lambda pair: next(turns))
    assert sorted(tournament.ranking(state)) == list(range(entrants))


@pytest.mark.parametrize("tournament", ALL)
def test_where_all_comparisons_fail_the_seeding_decides_and_every_pair_is_marked(
    tournament: Tournament,
) -> None:
    state, asked = played(tournament, 4, lambda pair: None)
    assert tournament.ranking(state)[0] == 0
    assert set(state.by_seeding) == {pair.players for pair in asked}


@pytest.mark.parametrize("tournament", ALL)
def test_a_failed_comparison_is_asked_again_once(tournament: Tournament) -> None:
    start = tournament.start(2)
    pair = tournament.ask(start)[0]
    again = tournament.tell(start, pair, None)
    assert pair in tournament.ask(again)
    assert pair not in tournament.ask(tournament.tell(again, pair, None))


@pytest.mark.parametrize("tournament", ALL)
@pytest.mark.parametrize("preference", [-0.1, 1.1, float("nan")])
def test_a_preference_that_is_no_probability_is_refused(
    tournament: Tournament, preference: float
) -> None:
    state = tournament.start(2)
    with pytest.raises(InvalidOption, match="0 to 1"):
        tournament.tell(state, tournament.ask(state)[0], preference)


@pytest.mark.parametrize("tournament", ALL)
def test_a_comparison_is_told_once_and_only_when_asked(tournament: Tournament) -> None:
    start = tournament.start(3)
    pair = tournament.ask(start)[0]
    after = tournament.tell(start, pair, 1.0)
    with pytest.raises(InvalidOption, match="is not open"):
        tournament.tell(after, pair, 1.0)
    with pytest.raises(InvalidOption, match="entrants=0"):
        tournament.start(0)


@pytest.mark.parametrize("tournament", ALL)
def test_one_alone_wins_without_a_comparison(tournament: Tournament) -> None:
    state = tournament.start(1)
    assert tournament.finished(state)
    assert tournament.ranking(state) == (0,)


def test_half_a_pair_that_failed_is_decided_by_the_other_half() -> None:
    tournament = Knockout(comparisons=2)
    state, asked = played(
        tournament, 2, lambda pair: None if pair.number else float(pair.first == 1)
    )
    assert [pair.number for pair in asked] == [0, 1, 1]
    assert tournament.ranking(state) == (1, 0)
    assert state.by_seeding == ()


def test_a_tie_goes_to_the_better_seed_and_is_not_marked() -> None:
    state, _ = played(Knockout(comparisons=2), 2, lambda pair: 0.7)
    assert outcome(state, 0, 1) == pytest.approx(0.5)
    assert Knockout().ranking(state) == (0, 1)
    assert state.by_seeding == ()


# Knockout


@given(strengths_of_some, st.integers(1, 4), st.integers(0, 5))
def test_a_knockout_takes_k_comparisons_for_everyone_but_the_winner(
    strengths: Sequence[int], comparisons: int, seed: int
) -> None:
    entrants = len(strengths)
    tournament = Knockout(comparisons=comparisons, seed=seed)
    _, asked = played(tournament, entrants, by_strength(strengths))
    assert len(asked) == (entrants - 1) * comparisons


def test_a_knockout_of_eight_has_three_rounds_and_of_five_also() -> None:
    for entrants in (5, 8):
        state, rounds = Knockout().start(entrants), 0
        while state.wave:
            rounds += 1
            for pair in state.wave:
                state = Knockout().tell(state, pair, 1.0)
        assert rounds == 3 >= log2(entrants)


def test_nobody_has_two_byes_in_a_row() -> None:
    tournament = Knockout(comparisons=1)
    state = tournament.start(5)
    bye = state.standing[-1]
    for pair in tournament.ask(state):
        state = tournament.tell(state, pair, 1.0)
    assert bye in tournament.ask(state)[0].players


def test_the_draw_is_the_seeds_and_both_are_shown_first() -> None:
    one, same, other = (Knockout(seed=seed).start(8) for seed in (1, 1, 2))
    assert one == same
    assert one.wave != other.wave
    first, second = one.wave[:2]
    assert (first.first, first.second) == (second.second, second.first)


def test_who_came_further_ranks_higher() -> None:
    state, _ = played(Knockout(), 4, by_strength([3, 2, 1, 0]))
    final = {told.pair.players for told in state.told[-2:]}
    (pair,) = final
    assert set(Knockout().ranking(state)[:2]) == set(pair)


# League


@given(st.integers(2, 9), st.integers(1, 10), st.integers(0, 5))
def test_everyone_in_a_league_is_shown_first_as_often_as_second(
    entrants: int, opponents: int, seed: int
) -> None:
    wave = League(opponents=opponents, seed=seed).start(entrants).wave
    games = min(opponents, entrants - 1)
    assert len(set(wave)) == len(wave) == entrants * games
    for one in range(entrants):
        assert sum(pair.first == one for pair in wave) == games
        assert sum(pair.second == one for pair in wave) == games


@given(strengths_of_some)
def test_a_full_league_ranks_by_strength(strengths: Sequence[int]) -> None:
    tournament = League(opponents=len(strengths))
    state, _ = played(tournament, len(strengths), by_strength(strengths))
    ranking = [strengths[one] for one in tournament.ranking(state)]
    assert ranking == sorted(strengths, reverse=True)


def test_the_win_rate_is_the_mean_over_opponents() -> None:
    said = {(0, 1): 0.8, (1, 0): 0.4, (0, 2): 1.0, (2, 0): 0.5, (1, 2): 0.3, (2, 1): 0.9}
    state, _ = played(League(opponents=2), 3, lambda pair: said[pair.first, pair.second])
    # Against 1: (.8 + .6) / 2 = .7; against 2: (1 + .5) / 2 = .75.
    assert win_rate(state, 0) == pytest.approx(0.725)
    # Against 0: .3; against 2: (.3 + .1) / 2 = .2.
    assert win_rate(state, 1) == pytest.approx(0.25)
    assert win_rate(League().start(3), 0) is None


def test_a_pair_that_failed_is_a_win_of_the_better_seed_and_not_half_a_win() -> None:
    state, _ = played(League(opponents=2), 3, lambda pair: None if 2 in pair.players else 0.5)
    assert [win_rate(state, one) for one in range(3)] == pytest.approx([0.75, 0.75, 0.0])
    assert set(state.by_seeding) == {(0, 2), (1, 2)}


# Pivot


@given(strengths_of_some)
def test_a_pivot_plays_everyone_and_those_who_beat_it_play_off(strengths: Sequence[int]) -> None:
    _, asked = played(Pivot(comparisons=2), len(strengths), by_strength(strengths))
    beat = sum(strength > strengths[0] for strength in strengths)
    assert len(asked) == 2 * (len(strengths) - 1) + 2 * max(0, beat - 1)


def test_a_pivot_stands_between_those_who_beat_it_and_those_who_did_not() -> None:
    preferences = {1: 0.4, 2: 0.9, 3: 0.1, 4: 0.8}

    def judge(pair: Pair) -> float:
        if 0 not in pair.players:
            return float(pair.first == 4)
        other = pair.players[1]
        return preferences[other] if pair.first == other else 1 - preferences[other]

    state, _ = played(Pivot(), 5, judge)
    assert Pivot().ranking(state) == (4, 2, 0, 1, 3)


# Bradley-Terry


def test_strengths_of_three_by_hand() -> None:
    # With 3, 5 and 3 games and strengths 4 : 2 : 1 each wins as often as expected:
    # 3·⅔ + 5·⅘ = 6, 3·⅓ + 3·⅔ = 3, 5·⅕ + 3·⅓ = 2.
    strengths = bradley_terry([[0, 2, 4], [1, 0, 2], [1, 1, 0]])
    assert strengths == pytest.approx([2.0, 1.0, 0.5])


def test_strengths_of_two_are_as_their_wins() -> None:
    one, other = bradley_terry([[0, 3], [1, 0]])
    assert one / other == pytest.approx(3.0)
    assert one * other == pytest.approx(1.0)


def test_a_prior_holds_who_never_lost() -> None:
    with pytest.raises(InvalidOption, match="prior above 0"):
        bradley_terry([[0, 2], [0, 0]])
    # By symmetry they are p and 1/p, and p wins 2 + 1 times: 3 = 2p/(p + 1/p) + 2p/(p + 1).
    strength = bradley_terry([[0, 2], [0, 0]], prior=1.0)[0]
    assert 2 * strength / (strength + 1 / strength) + 2 * strength / (strength + 1) == (
        pytest.approx(3.0)
    )


def test_strengths_of_nobody_and_of_one() -> None:
    assert bradley_terry([]) == []
    assert bradley_terry([[0.0]]) == [1.0]


@pytest.mark.parametrize("wins_told", [[[0, 1]], [[0, -1], [1, 0]], [[0, float("nan")], [1, 0]]])
def test_a_matrix_that_is_none_of_wins_is_refused(wins_told: list[list[float]]) -> None:
    with pytest.raises(InvalidOption, match="matrix|finite"):
        bradley_terry(wins_told)


def test_a_league_s_wins_give_strengths() -> None:
    said = {(0, 1): 0.8, (1, 0): 0.2}
    state, _ = played(League(), 2, lambda pair: said[pair.first, pair.second])
    assert wins(state)[0] == pytest.approx([0.0, 1.6])
    assert bradley_terry(wins(state)) == pytest.approx([2.0, 0.5])


@given(
    st.integers(2, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(1, 5), min_size=n, max_size=n), min_size=n, max_size=n
        )
    )
)
def test_everyone_wins_as_often_as_the_strengths_expect(table: list[list[int]]) -> None:
    p = bradley_terry(table)
    for i in range(len(table)):
        others = [j for j in range(len(table)) if j != i]
        expected = sum((table[i][j] + table[j][i]) * p[i] / (p[i] + p[j]) for j in others)
        assert expected == pytest.approx(sum(table[i][j] for j in others), rel=1e-6)
