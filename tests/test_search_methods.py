"""DVTS, REBASE and particle filtering against numbers worked out by hand."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_search import babble, run, scores

from its_agent.errors import InvalidOption
from its_agent.search import (
    DVTS,
    ROOT,
    BeamSearch,
    Expansion,
    ParticleFilter,
    Rebase,
    Search,
    StepResult,
)
from its_agent.search.particles import (
    DRAWS,
    Draw,
    annealing,
    effective_sample_size,
    systematic,
)
from its_agent.search.rebase import balanced

unhurried = settings(deadline=None)
weights = st.lists(st.floats(min_value=0.01, max_value=1), min_size=1, max_size=8)
each_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


# DVTS


@unhurried
@given(seed=st.integers(0, 999))
def test_one_subtree_is_a_beam_of_one(seed: int) -> None:
    write = babble(seed)
    one = run(DVTS(subtrees=1, expansion=3, max_depth=5), write)
    assert one == run(BeamSearch(width=1, expansion=3, max_depth=5), write)


def test_every_subtree_keeps_its_own_best_even_where_another_has_two_better_ones() -> None:
    search = DVTS(subtrees=2, expansion=2)
    state = search.start()
    assert search.ask(state) == (Expansion(node=ROOT, width=4),)
    state = search.tell(state, search.ask(state)[0], scores(0.8, 0.9, 0.1, 0.2))
    assert [expansion.node for expansion in search.ask(state)] == ["0.1", "0.3"]
    state = search.tell(state, Expansion(node="0.1", width=2), scores(0.5, 0.6, done=True))
    state = search.tell(state, Expansion(node="0.3", width=2), scores(0.3, 0.4))
    assert state.solved == ("0.1.1",)
    assert [expansion.node for expansion in search.ask(state)] == ["0.3.1"]
    assert [leaf.id for leaf in state.tree.done_leaves()] == ["0.1.0", "0.1.1"]


# REBASE


def test_width_is_shared_by_the_softmax_of_the_scores() -> None:
    assert balanced([0.9, 0.5, 0.1], 0.2) == pytest.approx([0.8668, 0.1173, 0.0159], abs=1e-4)
    search = Rebase(width=16, temperature=0.2)
    state = search.start()
    state = search.tell(state, search.ask(state)[0], scores(0.1, 0.9, 0.5))
    assert search.ask(state) == (Expansion(node="0.1", width=14), Expansion(node="0.2", width=2))


def test_a_complete_node_lowers_the_width() -> None:
    search = Rebase(width=4, temperature=1.0)
    state = search.start()
    steps = [*scores(0.5, 0.49), *scores(0.5, done=True)]
    state = search.tell(state, search.ask(state)[0], steps)
    assert state.solved == ("0.2",)
    assert search.ask(state) == (Expansion(node="0.0", width=2), Expansion(node="0.1", width=1))


@unhurried
@given(seed=st.integers(0, 999), width=st.integers(1, 9))
def test_a_level_costs_no_more_than_the_width(seed: int, width: int) -> None:
    final = run(Rebase(width=width, max_depth=5), babble(seed))
    assert all(len(level) <= width for level in final.tree.levels)
    assert 1 <= len(final.solved) <= width


# Particle filtering


def test_the_effective_sample_size_and_the_annealing_of_an_unequal_crowd() -> None:
    assert effective_sample_size([0.5, 0.5]) == 2
    assert effective_sample_size([1.0, 0.0]) == 1
    few = [0.97, 0.01, 0.01, 0.01]
    assert effective_sample_size(few) == pytest.approx(1.0625, abs=1e-3)
    told = [annealing(few, progress) for progress in (0.0, 0.5, 0.9)]
    assert told == pytest.approx([3.765, 1.882, 1.0], abs=2e-3)
    assert annealing([0.4, 0.3, 0.3], 0.0) == 1.0


@given(weights, st.integers(1, 12), st.integers(0, 99))
def test_systematic_draws_are_within_one_of_what_is_expected(
    values: list[float], count: int, seed: int
) -> None:
    drawn = Counter(systematic(values, count, Random(seed)))
    for place, weight in enumerate(values):
        assert abs(drawn[place] - count * weight / sum(values)) < 1 + 1e-9


@each_draw
@given(weights, st.integers(1, 12), st.integers(0, 99))
def test_a_draw_brings_as_many_as_were_asked_for(
    draw: Draw, values: list[float], count: int, seed: int
) -> None:
    drawn = draw(values, count, Random(seed))
    assert len(drawn) == count
    assert drawn == sorted(drawn)
    assert set(drawn) <= set(range(len(values)))


@each_draw
def test_a_draw_is_fair_in_the_long_run(draw: Draw) -> None:
    values, rounds = [0.5, 0.3, 0.2], 3_000
    drawn = Counter(place for seed in range(rounds) for place in draw(values, 4, Random(seed)))
    for place, weight in enumerate(values):
        assert drawn[place] / (4 * rounds) == pytest.approx(weight, abs=0.02)


def test_sure_particles_multiply_and_hopeless_ones_die() -> None:
    search = ParticleFilter(particles=4, temperature=0.1)
    state = search.start()
    assert search.ask(state) == (Expansion(node=ROOT, width=4),)
    state = search.tell(state, search.ask(state)[0], scores(-9.0, -0.1, -9.5, -8.0))
    assert search.ask(state) == (Expansion(node="0.1", width=4),)
    state = search.tell(state, search.ask(state)[0], scores(-0.1, -0.1, done=True))
    assert search.finished(state)
    assert set(state.solved) <= {"0.1.0", "0.1.1"}


def test_equal_particles_all_stay() -> None:
    search = ParticleFilter(particles=3)
    state = search.start()
    steps = [StepResult(text=text, score=-0.5) for text in "abc"]
    state = search.tell(state, search.ask(state)[0], steps)
    assert [(e.node, e.width) for e in search.ask(state)] == [("0.0", 1), ("0.1", 1), ("0.2", 1)]


def test_a_complete_particle_keeps_its_weight_and_is_not_continued() -> None:
    search = ParticleFilter(particles=2, temperature=10.0)
    state = search.start()
    steps = [*scores(-0.5, done=True), *scores(-0.6)]
    state = search.tell(state, search.ask(state)[0], steps)
    assert search.ask(state) == (Expansion(node="0.1", width=1),)
    state = search.tell(state, search.ask(state)[0], scores(-0.5, done=True))
    assert search.finished(state)
    assert state.solved == ("0.0", "0.1.0")


@unhurried
@given(seed=st.integers(0, 99))
def test_another_seed_may_draw_otherwise_and_the_same_draws_the_same(seed: int) -> None:
    def filtered(draws: int) -> object:
        search: Search = ParticleFilter(particles=4, resampling="multinomial", seed=draws)
        return run(search, babble(seed)).to_plain()

    assert filtered(1) == filtered(1)
    assert any(filtered(1) != filtered(other) for other in range(2, 8))


@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"particles": 0}, {"resampling": "stratified"}]
)
def test_options_that_make_no_filter_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        ParticleFilter(**options)
