"""Search needs no model: a pure function writes the steps."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from its_agent.errors import InvalidOption
from its_agent.search import (
    ABMCTS,
    DVTS,
    MCTS,
    ROOT,
    BeamSearch,
    BestFirst,
    Beta,
    Expansion,
    Gaussian,
    Node,
    ParticleFilter,
    PathCost,
    Rebase,
    Search,
    SearchState,
    StepResult,
    StepsToGo,
    Tree,
    a_star,
)

Writer = Callable[[Tree, Expansion], Sequence[StepResult]]

RANKED: list[Search] = [
    DVTS(subtrees=2, expansion=2, max_depth=4),
    Rebase(width=5, max_depth=4),
    ParticleFilter(particles=4, max_depth=4),
    ParticleFilter(particles=3, max_depth=4, resampling="residual", annealed=True),
    BeamSearch(width=1, expansion=1, max_depth=3),
    BeamSearch(width=3, expansion=2, max_depth=4),
    BestFirst(expansion=3, batch=2, solutions=3, max_depth=4),
    a_star(expansion=2, batch=3, cost_to_go=StepsToGo(expected_steps=4, step_cost=0.2)),
    MCTS(expansion=3, solutions=3, max_depth=4),
    MCTS(expansion=2, batch=3, solutions=9, max_depth=4),
]
BOUNDED: list[MCTS | ABMCTS] = [
    MCTS(expansion=3, batch=2, samples=20, solutions=99, max_depth=5),
    MCTS(expansion=2, widening=0.5, samples=9, solutions=99, max_depth=9),
    MCTS(expansion=2, batch=3, widening=0.5, samples=25, solutions=99, max_depth=4),
    ABMCTS(samples=12, max_depth=4),
    ABMCTS(samples=20, batch=4, prior=Beta(), max_depth=9),
    ABMCTS(samples=12, batch=3, whole_answers=True, seed=1),
]
each_ranked = pytest.mark.parametrize("search", RANKED)
each_bounded = pytest.mark.parametrize("search", BOUNDED)
each_search = pytest.mark.parametrize("search", [*RANKED, *BOUNDED])
seeds = st.integers(0, 999)
unhurried = settings(deadline=None)


def babble(seed: int, *, failures: float = 0.0) -> Writer:
    """Steps that depend on nothing but the seed and the place, a share of them lost."""

    def step(place: str, to_end: bool) -> StepResult:
        luck, fate, score = (zlib.crc32(f"{seed}{place}{k}".encode()) / 2**32 for k in "abc")
        done = to_end or fate < 0.2
        return StepResult(text=f"<{place}>", score=-score, done=done, failed=luck < failures)

    def write(tree: Tree, expansion: Expansion) -> list[StepResult]:
        first = len(tree.children(expansion.node))
        ranks = range(first, first + expansion.width)
        return [step(f"{expansion.node}.{rank}", expansion.to_end) for rank in ranks]

    return write


def moments(
    search: Search, write: Writer, state: SearchState | None = None, room: int | None = None
) -> Iterator[SearchState]:
    """Every state of a run, with `room` continuations bought at a time."""
    state = state or search.start()
    yield state
    while not search.finished(state):
        for expansion in search.ask(state, room):
            state = search.tell(state, expansion, write(state.tree, expansion))
            yield state


def run(search: Search, write: Writer, state: SearchState | None = None) -> SearchState:
    return list(moments(search, write, state))[-1]


def scores(*values: float | None, done: bool = False) -> list[StepResult]:
    return [StepResult(text=f"{value};", score=value, done=done) for value in values]


@dataclass(frozen=True, kw_only=True)
class World:
    """A finite tree of steps with whole-number costs; a branch into None ends the text."""

    branches: tuple[tuple[int, World | None], ...]

    def at(self, node: str) -> World:
        world: World | None = self
        for rank in node.split(".")[1:]:
            assert world is not None
            world = world.branches[int(rank)][1]
        assert world is not None
        return world

    def totals(self) -> Iterator[int]:
        for cost, inner in self.branches:
            yield from (cost + rest for rest in ([0] if inner is None else inner.totals()))

    def cheapest(self) -> float:
        return min(self.totals(), default=math.inf)

    def write(self, tree: Tree, expansion: Expansion) -> list[StepResult]:
        return [
            StepResult(text=f"{rank};", score=-cost, done=inner is None)
            for rank, (cost, inner) in enumerate(self.at(expansion.node).branches)
        ]


def worlds() -> st.SearchStrategy[World]:
    def grow(inner: st.SearchStrategy[World]) -> st.SearchStrategy[World]:
        branch = st.tuples(st.integers(0, 9), st.none() | inner)
        return st.lists(branch, max_size=3).map(lambda found: World(branches=tuple(found)))

    leaf = st.integers(0, 9).map(lambda cost: World(branches=((cost, None),)))
    return st.recursive(leaf, grow, max_leaves=25)


def total_cost(tree: Tree, node: str) -> float:
    return -sum(step.score or 0 for step in tree.path(node))


@unhurried
@given(world=worlds(), optimism=st.sampled_from([0.0, 0.25, 0.5, 1.0]), batch=st.integers(1, 3))
def test_a_star_with_an_admissible_heuristic_finds_the_cheapest_solution(
    world: World, optimism: float, batch: int
) -> None:
    def to_go(tree: Tree, node: Node, /) -> float:
        return optimism * min(world.at(node.id).cheapest(), 99)

    search = a_star(expansion=3, batch=batch, cost_to_go=to_go)
    final = run(search, world.write)
    best = world.cheapest()
    found = [total_cost(final.tree, node) for node in final.solved]
    assert found == ([] if best == math.inf else [best])


@unhurried
@given(world=worlds())
def test_a_perfect_heuristic_expands_nothing_that_lies_off_the_cheapest_solutions(
    world: World,
) -> None:
    def to_go(tree: Tree, node: Node, /) -> float:
        return min(world.at(node.id).cheapest(), 99)

    tree = run(a_star(expansion=3, cost_to_go=to_go), world.write).tree
    best = world.cheapest()
    for expanded in {node.parent for node in tree.nodes() if node.parent is not None}:
        through = total_cost(tree, expanded) + world.at(expanded).cheapest()
        assert through == best


@unhurried
@given(world=worlds(), wanted=st.integers(1, 4))
def test_more_solutions_come_cheapest_first(world: World, wanted: int) -> None:
    final = run(a_star(expansion=3, solutions=wanted), world.write)
    found = [total_cost(final.tree, node) for node in final.solved]
    distinct_leaves = sorted(total_cost(final.tree, node.id) for node in final.tree.done_leaves())
    assert found == sorted(world.totals())[:wanted] == distinct_leaves[:wanted]


def test_best_first_by_mean_does_not_punish_depth_and_a_path_cost_does() -> None:
    def state_of(search: BestFirst) -> SearchState:
        state = search.start()
        state = search.tell(state, search.ask(state)[0], scores(-1.0, -1.5))
        return search.tell(state, search.ask(state)[0], scores(-1.1))

    assert BestFirst(expansion=2).ask(state_of(BestFirst(expansion=2)))[0].node == "0.0.0"
    assert a_star(expansion=2).ask(state_of(a_star(expansion=2)))[0].node == "0.1"


def test_the_expected_rest_of_the_path_counts_and_a_low_cost_weight_is_greedy() -> None:
    tree = Tree().grow(ROOT, scores(-2.0))
    node = tree.node("0.0")
    to_go = StepsToGo(expected_steps=5, step_cost=0.5)
    assert PathCost(cost_to_go=to_go)(tree, node) == 4.0
    assert PathCost(cost_to_go=to_go, cost_weight=0)(tree, node) == 2.0
    assert PathCost(cost_to_go=to_go)(tree, replace(node, done=True)) == 2.0


def test_a_batch_does_not_continue_what_stands_behind_the_solution() -> None:
    search = a_star(expansion=3, batch=3)
    state = search.start()
    steps = [*scores(-1.0), *scores(-2.0, done=True), *scores(-3.0)]
    state = search.tell(state, search.ask(state)[0], steps)
    assert [expansion.node for expansion in search.ask(state)] == ["0.0"]


@unhurried
@given(seed=seeds)
def test_a_beam_of_one_with_one_continuation_is_a_single_pass(seed: int) -> None:
    write = babble(seed)
    tree, id, last = Tree(), ROOT, False
    while not last:
        expansion = Expansion(node=id, width=1, to_end=id.count(".") == 5)
        tree = tree.grow(id, write(tree, expansion))
        id = f"{id}.0"
        last = tree.node(id).done
    final = run(BeamSearch(width=1, expansion=1, max_depth=6), write)
    assert final.tree == tree
    assert final.solved == (id,)


@unhurried
@given(seed=seeds)
def test_a_beam_of_one_takes_the_best_step_each_time(seed: int) -> None:
    final = run(BeamSearch(width=1, expansion=4, max_depth=6), babble(seed))
    for parent, child in pairwise(final.tree.path(final.solved[0])):
        rivals = final.tree.children(parent.id)
        assert child == max(rivals, key=lambda node: node.score or 0)


def test_a_beam_keeps_the_best_of_all_and_a_finished_one_keeps_its_place() -> None:
    search = BeamSearch(width=2, expansion=2)
    state = search.start()
    assert search.ask(state) == (Expansion(node=ROOT, width=4),)
    steps = [*scores(0.3, 0.7), *scores(0.6, done=True), *scores(0.1)]
    state = search.tell(state, search.ask(state)[0], steps)
    assert search.ask(state) == (Expansion(node="0.1", width=2),)
    state = search.tell(state, search.ask(state)[0], scores(0.8, 0.9))
    assert state.solved == ("0.2",)
    assert search.ask(state) == (Expansion(node="0.1.1", width=2),)


@unhurried
@given(seed=seeds, width=st.integers(1, 4), expansion=st.integers(1, 3))
def test_a_beam_pays_at_most_the_same_for_every_level(
    seed: int, width: int, expansion: int
) -> None:
    final = run(BeamSearch(width=width, expansion=expansion, max_depth=5), babble(seed))
    assert all(len(level) <= width * expansion for level in final.tree.levels)
    assert len(final.solved) == width


def test_equal_siblings_take_one_place() -> None:
    search = BeamSearch(width=2, expansion=2)
    twins = [StepResult(text="same", score=score) for score in (0.8, 0.9)]
    state = search.tell(search.start(), search.ask(search.start())[0], [*twins, *scores(0.1, 0.2)])
    assert [expansion.node for expansion in search.ask(state)] == ["0.1", "0.3"]


def test_the_last_allowed_step_runs_to_the_end() -> None:
    search = BeamSearch(width=1, expansion=1, max_depth=2)
    asked = [search.ask(state)[0].to_end for state in moments(search, babble(3)) if state.wave]
    assert asked == [False, True]


@each_ranked
def test_an_unscored_step_ranks_last_and_is_not_lost(search: Search) -> None:
    state = search.start()
    [expansion] = search.ask(state)
    state = search.tell(state, expansion, [StepResult(text="?"), *scores(-5.0)][-expansion.width :])
    assert search.ask(state)[0].node == f"0.{min(expansion.width, 2) - 1}"
    assert state.tree.explored == min(expansion.width, 2)


@each_search
@unhurried
@given(seed=seeds, room=st.integers(0, 20))
def test_ask_never_exceeds_the_room_and_uses_it(search: Search, seed: int, room: int) -> None:
    for state in moments(search, babble(seed)):
        wanted = sum(expansion.width for expansion in search.ask(state))
        assert sum(expansion.width for expansion in search.ask(state, room)) == min(room, wanted)


@each_search
@unhurried
@given(seed=seeds, room=st.integers(1, 5))
def test_small_purchases_lead_where_large_ones_do(search: Search, seed: int, room: int) -> None:
    *_, last = moments(search, babble(seed), room=room)
    assert last == run(search, babble(seed))


@each_search
@unhurried
@given(seed=seeds, moment=st.integers(0, 30))
def test_a_state_read_back_from_json_goes_on_the_same(
    search: Search, seed: int, moment: int
) -> None:
    write = babble(seed, failures=0.2)
    states = list(moments(search, write))
    state = states[min(moment, len(states) - 1)]
    again = SearchState.from_plain(json.loads(json.dumps(state.to_plain())))
    assert again == state
    assert search.ask(again) == search.ask(state)
    assert run(search, write, again) == states[-1]


@each_search
@unhurried
@given(seed=seeds, order=st.randoms(use_true_random=False))
def test_the_order_of_telling_does_not_matter(search: Search, seed: int, order: Random) -> None:
    write = babble(seed, failures=0.2)
    shuffled = search.start()
    while not search.finished(shuffled):
        wave = list(search.ask(shuffled))
        order.shuffle(wave)
        for expansion in wave:
            shuffled = search.tell(shuffled, expansion, write(shuffled.tree, expansion))
    assert shuffled == run(search, write)
    assert shuffled.to_plain() == run(search, write).to_plain()


@each_search
@unhurried
@given(seed=seeds)
def test_asking_again_and_running_again_give_the_same(search: Search, seed: int) -> None:
    for state in moments(search, babble(seed)):
        assert search.ask(state) == search.ask(state)
    assert run(search, babble(seed)) == run(search, babble(seed))


@each_search
@unhurried
@given(seed=seeds, failures=st.sampled_from([0.3, 0.9, 1.0]))
def test_lost_continuations_do_not_stall_it(search: Search, seed: int, failures: float) -> None:
    final = run(search, babble(seed, failures=failures))
    assert search.finished(final)
    assert not any(node.failed for node in final.tree.leaves())
    assert final.tree.explored == sum(not n.failed for n in final.tree.nodes()) - 1


@each_search
@unhurried
@given(seed=seeds, failures=st.sampled_from([0.0, 0.3]))
def test_what_is_at_hand_never_gets_less_or_worse(
    search: Search, seed: int, failures: float
) -> None:
    def best(state: SearchState) -> float:
        return max((leaf.score or 0 for leaf in state.tree.done_leaves()), default=-math.inf)

    for before, after in pairwise(moments(search, babble(seed, failures=failures))):
        assert set(before.tree.done_leaves()) <= set(after.tree.done_leaves())
        assert best(before) <= best(after)
        assert before.tree.explored <= after.tree.explored


@each_bounded
@unhurried
@given(seed=seeds, failures=st.sampled_from([0.0, 0.3, 1.0]))
def test_no_more_continuations_are_asked_than_it_was_given(
    search: MCTS | ABMCTS, seed: int, failures: float
) -> None:
    final = run(search, babble(seed, failures=failures))
    assert len(final.tree.nodes()) - 1 <= search.samples
    if isinstance(search, ABMCTS) and not failures:
        assert final.tree.explored == search.samples


@each_bounded
@unhurried
@given(seed=seeds)
def test_a_bounded_search_ends_with_a_complete_solution(search: MCTS | ABMCTS, seed: int) -> None:
    final = run(search, babble(seed))
    assert final.tree.done_leaves()
    assert set(final.solved) <= {leaf.id for leaf in final.tree.done_leaves()}
    assert final.tree.node(final.solved[0]).score == max(
        leaf.score or 0 for leaf in final.tree.done_leaves()
    )


@unhurried
@given(seed=seeds, fewer=st.integers(1, 12), more=st.integers(0, 8))
def test_more_samples_only_add_to_the_tree(seed: int, fewer: int, more: int) -> None:
    def grown(samples: int) -> set[Node]:
        search = ABMCTS(samples=samples, whole_answers=True, max_depth=5)
        return set(run(search, babble(seed)).tree.nodes())

    assert grown(fewer) <= grown(fewer + more)


@pytest.mark.parametrize(
    "search",
    [
        MCTS(expansion=2, batch=2, widening=0.5, solutions=9, max_depth=5),
        ABMCTS(samples=30, batch=2, max_depth=5),
    ],
)
@unhurried
@given(seed=seeds)
def test_complete_nodes_are_not_continued_and_equal_siblings_are_continued_once(
    search: Search, seed: int
) -> None:
    def stammer(tree: Tree, expansion: Expansion) -> list[StepResult]:
        return [replace(s, text=s.text[-2]) for s in babble(seed)(tree, expansion)]

    tree = run(search, stammer).tree
    continued = [node for node in tree.nodes() if tree.children(node.id) and node.parent]
    assert not any(node.done for node in continued)
    assert len(continued) == len({(node.parent, node.text) for node in continued})


@each_ranked
def test_a_lost_expansion_is_asked_for_once_more_and_then_given_up(search: Search) -> None:
    first = search.start()
    second = search.tell(first, search.ask(first)[0], [])
    assert search.ask(second) == search.ask(first)
    third = search.tell(second, search.ask(second)[0], [])
    assert search.finished(third)
    assert third.tree.leaves() == (third.tree.node(ROOT),)


@each_search
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused_and_the_state_lives_on(
    search: Search, score: float
) -> None:
    state = search.start()
    [expansion] = search.ask(state)
    before = state.to_plain()
    with pytest.raises(InvalidOption, match="not a finite number"):
        search.tell(state, expansion, scores(score))
    assert state.to_plain() == before
    assert search.tell(state, expansion, scores(-1.0)).tree.explored == 1


def test_a_score_outside_the_declared_range_is_refused() -> None:
    beam = BeamSearch(width=1, expansion=1, score_range=(0, 1))
    cheaper_than_free = a_star(expansion=1)
    for search in (beam, cheaper_than_free):
        with pytest.raises(InvalidOption, match=r"score 1\.5 .* in \["):
            search.tell(search.start(), Expansion(node=ROOT, width=1), scores(1.5))


def test_what_was_not_asked_cannot_be_told() -> None:
    search = BeamSearch(width=2, expansion=2)
    state = search.start()
    [expansion] = search.ask(state)
    told = search.tell(state, expansion, scores(1, 2, 3, 4))
    with pytest.raises(InvalidOption, match="0 are open"):
        search.tell(told, expansion, scores(1))
    with pytest.raises(InvalidOption, match="0 are open"):
        search.tell(state, Expansion(node="0.7", width=1), scores(1))
    with pytest.raises(InvalidOption, match="5 steps"):
        search.tell(state, expansion, scores(1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: BeamSearch(width=0),
        lambda: BeamSearch(retries=-1),
        lambda: BeamSearch(score_range=(1, 0)),
        lambda: BestFirst(solutions=0),
        lambda: PathCost(cost_weight=-1),
        lambda: MCTS(exploration=-0.1),
        lambda: MCTS(widening=1.0),
        lambda: MCTS(samples=0),
        lambda: MCTS(score_range=(0, math.inf)),
        lambda: ABMCTS(batch=0),
        lambda: ABMCTS(score_range=(-math.inf, math.inf)),
        lambda: Gaussian(tau2=0),
        lambda: Gaussian(mean=math.nan),
        lambda: Beta(successes=-1),
        lambda: Expansion(node=ROOT, width=0),
        lambda: Tree().node("0.3"),
    ],
)
def test_options_that_cannot_work_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidOption):
        make()


def test_growing_shares_what_did_not_change_and_leaves_the_old_tree_alone() -> None:
    old = Tree().grow(ROOT, scores(1, 2)).grow("0.1", scores(3))
    new = old.grow("0.1.0", scores(4))
    assert all(mine is theirs for mine, theirs in zip(old.levels, new.levels, strict=False))
    assert len(old.nodes()) == 4
    assert len(new.nodes()) == 5


def test_a_tree_tells_texts_children_and_leaves() -> None:
    tree = Tree().grow(ROOT, [StepResult(text="a\n\n"), StepResult(text="b", done=True)])
    tree = tree.grow("0.0", [StepResult(text="c", done=True), StepResult(text="d", failed=True)])
    assert tree.path_text("0.0.0") == "a\n\nc"
    assert [node.id for node in tree.children("0.0")] == ["0.0.0", "0.0.1"]
    assert [node.id for node in tree.leaves()] == ["0.1", "0.0.0"]
    assert [node.id for node in tree.done_leaves()] == ["0.1", "0.0.0"]
    assert tree.explored == 3


def test_a_refined_solution_stays_one_and_its_refinement_is_a_text_of_its_own() -> None:
    tree = Tree().grow(ROOT, [StepResult(text="first", done=True)])
    tree = tree.grow("0.0", [StepResult(text="second, ")])
    tree = tree.grow("0.0.0", [StepResult(text="better", done=True)])
    assert [tree.path_text(leaf.id) for leaf in tree.done_leaves()] == ["first", "second, better"]


def test_a_failed_step_brings_no_score_and_is_never_a_solution() -> None:
    wreck = StepResult(text="half", score=math.nan, done=True, failed=True)
    search = BeamSearch(width=1, expansion=1)
    tree = search.tell(search.start(), Expansion(node=ROOT, width=1), [wreck]).tree
    assert json.loads(json.dumps(tree.to_plain(), allow_nan=False))["nodes"][1]["text"] == "half"
    assert tree.done_leaves() == ()
