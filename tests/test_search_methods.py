"""The search algorithms against numbers worked out by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from statistics import fmean, pvariance
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_search import Writer, babble, run, scores

from its_agent.errors import InvalidOption
from its_agent.search import (
    ABMCTS,
    DVTS,
    MCTS,
    ROOT,
    BeamSearch,
    Beta,
    Expansion,
    Gaussian,
    ParticleFilter,
    Prior,
    Rebase,
    Search,
    SearchState,
    StepResult,
    Tree,
)
from its_agent.search.evidence import LOG_PROBABILITY, Evidence, reward, survey
from its_agent.search.mcts import upper_bound
from its_agent.search.particles import (
    DRAWS,
    Draw,
    annealing,
    effective_sample_size,
    residual,
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


@pytest.mark.parametrize("draw", [systematic, residual])
@given(st.integers(0, 999))
def test_whole_expected_numbers_are_drawn_exactly(draw: Draw, seed: int) -> None:
    assert draw([0.5, 0.25, 0.25], 8, Random(seed)) == [0, 0, 0, 0, 1, 1, 2, 2]


@given(st.integers(0, 999))
def test_residual_draws_give_the_whole_part_of_what_is_expected_for_sure(seed: int) -> None:
    drawn = Counter(residual([0.625, 0.3125, 0.0625], 4, Random(seed)))  # 2.5, 1.25 and 0.25
    assert drawn[0] >= 2
    assert drawn[1] >= 1
    assert drawn.total() == 4


def test_the_rest_of_residual_draws_is_shared_by_what_the_whole_parts_left() -> None:
    rounds = 4_000
    drawn = Counter(
        place
        for seed in range(rounds)
        for place in residual([0.625, 0.3125, 0.0625], 4, Random(seed))
    )
    assert [drawn[place] / rounds for place in range(3)] == pytest.approx(
        [2.5, 1.25, 0.25], abs=0.03
    )


def test_the_final_particle_is_the_best_or_drawn_from_the_last_population() -> None:
    def choice_of(search: ParticleFilter) -> str:
        state = search.start()
        steps = [*scores(math.log(0.75), math.log(0.25), done=True)]
        return search.tell(state, search.ask(state)[0], steps).solved[0]

    filters = [ParticleFilter(particles=2, choice="sample", seed=seed) for seed in range(2_000)]
    drawn = Counter(choice_of(search) for search in filters)
    assert drawn["0.0"] / 2_000 == pytest.approx(0.75, abs=0.03)
    surest = [ParticleFilter(particles=2, resampling="residual", seed=seed) for seed in range(50)]
    assert {choice_of(search) for search in surest} == {"0.0"}


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
    "options",
    [{"temperature": 0.0}, {"particles": 0}, {"resampling": "stratified"}, {"choice": "worst"}],
)
def test_options_that_make_no_filter_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        ParticleFilter(**options)


# Monte-Carlo tree search


def told(search: Search, *waves: Sequence[float], done: bool = False) -> SearchState:
    """The state after the first expansion of every wave brought those scores."""
    state = search.start()
    for wave in waves:
        state = search.tell(state, search.ask(state)[0], scores(*wave, done=done))
    return state


def asked(search: Search, state: SearchState) -> list[str]:
    return [expansion.node for expansion in search.ask(state)]


def test_a_score_becomes_a_reward_from_0_to_1() -> None:
    assert reward(math.log(0.3), LOG_PROBABILITY) == pytest.approx(0.3)
    assert reward(0.3, (0, 1)) == 0.3
    assert reward(-1, (-2, 2)) == 0.25
    assert reward(None, (0, 1)) == 0


def test_the_upper_bound_of_a_node() -> None:
    assert upper_bound(1.8, 2, 8, math.sqrt(2)) == pytest.approx(2.34202, abs=1e-5)
    assert upper_bound(1.8, 2, 8, 0.0) == 0.9


@pytest.mark.parametrize(("exploration", "chosen"), [(0.5, "0.1"), (0.0, "0.0.1")])
def test_the_highest_bound_is_continued(exploration: float, chosen: str) -> None:
    """After 0.9, 0.5 and 0.3, 0.4 below the first: 0.533 + 0.680 c against 0.5 + 1.177 c."""
    search = MCTS(expansion=2, exploration=exploration, score_range=(0, 1))
    assert asked(search, told(search, [0.9, 0.5])) == ["0.0"]
    assert asked(search, told(search, [0.9, 0.5], [0.3, 0.4])) == [chosen]


def test_the_leaves_of_a_wave_are_chosen_as_if_those_before_them_lost() -> None:
    """The first child is worth 2.7 / 3, and 2.7 / 4 once one of its leaves is under way."""
    search = MCTS(expansion=2, exploration=0.0, batch=3, score_range=(0, 1))
    state = told(search, [0.9, 0.8])
    state = search.tell(state, Expansion(node="0.0", width=2), scores(0.92, 0.88))
    state = search.tell(state, Expansion(node="0.1", width=2), scores(0.82, 0.78))
    assert asked(search, state) == ["0.0.0", "0.1.0", "0.0.1"]


def test_a_visited_node_widens_with_the_root_of_its_visits() -> None:
    """Two continuations are allowed to 1 visit, 2.8 to 2, 3.5 to 3 and 4 to 4."""
    search = MCTS(expansion=2, widening=0.5, score_range=(0, 1))
    state = told(search, [0.5, 0.4], [0.1], [0.1])
    assert len(state.tree.children(ROOT)) == 4
    assert asked(search, state) == ["0.0"]


def test_a_search_without_solutions_runs_its_last_wave_to_the_end() -> None:
    search = MCTS(expansion=2, samples=5, score_range=(0, 1))
    assert [e.to_end for e in search.ask(told(search, [0.5, 0.4]))] == [False]
    [last] = search.ask(told(search, [0.5, 0.4], [0.3, 0.3]))
    assert (last.width, last.to_end) == (1, True)


# AB-MCTS


def rewards(*values: float) -> Evidence:
    return Evidence(count=len(values), total=sum(values), squares=sum(v * v for v in values))


def test_a_gaussian_belief_after_two_rewards() -> None:
    """Mean 1.4 / 3; variance (0.1 + 0.02 + 2/3 * 0.49) / 3."""
    after = Gaussian().given(rewards(0.6, 0.8))
    assert (after.kappa, after.nu) == (3, 3)
    assert after.mean == pytest.approx(1.4 / 3)
    assert after.tau2 == pytest.approx((0.1 + 0.02 + 0.98 / 3) / 3)


@given(st.lists(st.floats(0, 1), max_size=6), st.lists(st.floats(0, 1), max_size=6))
def test_a_belief_does_not_depend_on_how_the_rewards_are_split(
    first: list[float], second: list[float]
) -> None:
    at_once = Gaussian().given(rewards(*first) + rewards(*second))
    in_turn = Gaussian().given(rewards(*first)).given(rewards(*second))
    assert at_once.mean == pytest.approx(in_turn.mean)
    assert at_once.tau2 == pytest.approx(in_turn.tau2)
    successes = Beta().given(rewards(*first, *second)).successes
    assert successes == pytest.approx(0.5 + sum(first) + sum(second))


SEEN = rewards(0.6, 0.8, 0.7, 0.9, 0.5, 0.7, 0.6, 0.8, 0.7, 0.7)


@pytest.mark.parametrize(
    ("belief", "mean", "variance"),
    [
        # Student-t: the variance is tau2 / kappa * nu / (nu - 2), with nu = kappa = 11.
        (Gaussian().given(SEEN), 7.0 / 11, (0.1 + 0.12 + 10 / 11 * 0.49) / 11 / 9),
        # a / (a + b) and ab / ((a + b)^2 (a + b + 1)), with a = 7.5 and b = 3.5.
        (Beta().given(SEEN), 7.5 / 11, 7.5 * 3.5 / (121 * 12)),
    ],
)
def test_draws_have_the_moments_of_the_belief(belief: Prior, mean: float, variance: float) -> None:
    random = Random(0)
    draws = [belief.draw(random) for _ in range(20_000)]
    assert fmean(draws) == pytest.approx(mean, abs=0.003)
    assert pvariance(draws) == pytest.approx(variance, rel=0.05)


def frequencies(state_of: Callable[[ABMCTS], SearchState], rounds: int = 3_000) -> dict[str, float]:
    """How often each node is the next to get a child, from a uniform prior, over the seeds."""
    found: Counter[str] = Counter()
    for seed in range(rounds):
        search = ABMCTS(prior=Beta(successes=1, failures=1), seed=seed, score_range=(0, 1))
        found.update(asked(search, search.plan(state_of(search))))
    return {node: times / rounds for node, times in found.items()}


def grown(tree: Tree) -> Callable[[ABMCTS], SearchState]:
    return lambda search: SearchState(tree=tree)


def test_a_good_child_makes_another_child_likelier_than_one_of_its_own() -> None:
    """P(Beta(2, 1) > Beta(1, 1)) = 2/3."""
    found = frequencies(grown(Tree().grow(ROOT, scores(1.0))))
    assert found == pytest.approx({ROOT: 2 / 3, "0.0": 1 / 3}, abs=0.03)


def test_the_better_child_is_gone_into_as_often_as_it_is_likely_to_be_better() -> None:
    """P(Beta(2, 2) > Beta(1, 1)) = 1/2, then P(Beta(2, 1) > Beta(1, 2)) = 5/6."""
    found = frequencies(grown(Tree().grow(ROOT, scores(1.0, 0.0))))
    assert found == pytest.approx({ROOT: 1 / 2, "0.0": 5 / 12, "0.1": 1 / 12}, abs=0.03)


def test_what_lies_below_the_children_speaks_for_going_on() -> None:
    """P(Beta(1, 2) > Beta(2, 1)) = 1/6 at the root, and then P(Beta(2, 1) > Beta(1, 1)) = 2/3."""
    found = frequencies(grown(Tree().grow(ROOT, scores(0.0)).grow("0.0", scores(1.0))))
    assert found == pytest.approx({ROOT: 1 / 6, "0.0": 5 / 9, "0.0.0": 5 / 18}, abs=0.03)


def test_a_branch_tells_its_children_from_what_lies_below_them() -> None:
    tree = Tree().grow(ROOT, scores(0.9, 0.9, 0.5)).grow("0.1", scores(0.25))
    branch = survey(tree, (0, 1))[ROOT]
    assert [child.node.id for child in branch.children] == ["0.1", "0.2"]
    assert branch.asked == 3
    seen = [branch.generated, branch.continued, branch.subtree]
    assert [evidence.count for evidence in seen] == [3, 1, 3]
    assert [evidence.total for evidence in seen] == pytest.approx([2.3, 0.25, 1.65])


def test_a_first_wave_is_not_all_at_the_root() -> None:
    """Each draw after the first goes into the child under way half the time, and is dropped."""
    first_waves = [ABMCTS(batch=9, seed=seed).start().wave for seed in range(300)]
    assert {expansion.node for [expansion] in first_waves} == {ROOT}
    assert fmean(wave.width for [wave] in first_waves) == pytest.approx(5, abs=0.4)


def test_a_lost_first_wave_is_made_again_and_the_root_given_up_in_the_end() -> None:
    search = ABMCTS(samples=64, batch=4)
    state, rounds = search.start(), 0
    while not search.finished(state):
        state = search.tell(state, search.ask(state)[0], [])
        rounds += 1
    assert rounds >= 2
    assert 8 <= len(state.tree.children(ROOT)) <= 11


def test_complete_answers_are_refined_only_where_nodes_are_whole_answers() -> None:
    def refined(whole: bool) -> bool:
        search = ABMCTS(samples=20, whole_answers=whole, score_range=(0, 1))
        final = run(search, improving)
        return any(node.depth > 1 for node in final.tree.nodes())

    assert refined(True)
    assert not refined(False)


def improving(tree: Tree, expansion: Expansion) -> list[StepResult]:
    """Answers that win 0.15 with every refinement, and hardly differ otherwise."""
    return _answers(tree, expansion, lambda depth, luck: min(1.0, 0.15 * depth + 0.05 * luck))


def lottery(tree: Tree, expansion: Expansion) -> list[StepResult]:
    """Answers that differ much, and that refining spoils."""
    return _answers(tree, expansion, lambda depth, luck: luck if depth == 1 else luck / 10)


def _answers(
    tree: Tree, expansion: Expansion, worth: Callable[[int, float], float]
) -> list[StepResult]:
    depth = tree.node(expansion.node).depth + 1
    first = len(tree.children(expansion.node))
    places = [f"{expansion.node}.{first + rank}" for rank in range(expansion.width)]
    return [
        StepResult(text=place, score=worth(depth, Random(place).random()), done=True)
        for place in places
    ]


@pytest.mark.parametrize("prior", [Gaussian(), Beta()], ids=["gaussian", "beta"])
@pytest.mark.parametrize("batch", [1, 4])
def test_it_goes_deeper_where_that_pays_and_wider_where_that_pays(prior: Prior, batch: int) -> None:
    def shape(write: Writer) -> tuple[float, float]:
        found = [
            run(
                ABMCTS(
                    samples=40,
                    batch=batch,
                    prior=prior,
                    whole_answers=True,
                    seed=seed,
                    score_range=(0, 1),
                ),
                write,
            ).tree
            for seed in range(10)
        ]
        wide = fmean(len(tree.children(ROOT)) for tree in found)
        return wide, fmean(len(tree.levels) - 1 for tree in found)

    wide, deep = shape(improving)
    assert wide < 15
    assert deep > 3
    wide, deep = shape(lottery)
    assert wide > 33
    assert deep < 3
