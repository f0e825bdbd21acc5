"""Best-first search over partial solutions, and A*."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from its_agent.errors import InvalidOption
from its_agent.search import waves
from its_agent.search.evidence import LOG_PROBABILITY
from its_agent.search.state import (
    Expansion,
    SearchState,
    at_least,
    check_range,
    successors,
)
from its_agent.search.tree import Node, Tree


class Cost(Protocol):
    """A number for a node, from its path alone, since it is ranked once; lower is better."""

    def __call__(self, tree: Tree, node: Node, /) -> float:
        """The cost of `node`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsToGo:
    """A cost to go: the steps that are still expected, times what a step is expected to cost.

    `expected_steps` is the usual length of a solution. It is admissible while neither number is
    above the truth.
    """

    expected_steps: float
    step_cost: float

    def __call__(self, tree: Tree, node: Node, /) -> float:
        """What is left to pay from `node` on, never below 0."""
        return max(self.expected_steps - node.depth, 0.0) * self.step_cost


@dataclass(frozen=True, slots=True)
class MeanCost:
    """The mean of -score over a node's steps, so that depth is not punished."""

    def __call__(self, tree: Tree, node: Node, /) -> float:
        """The mean cost of a step, 0 for the root, infinite with an unscored step."""
        return cost_so_far(tree, node) / max(node.depth, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCost:
    """A*'s f = cost_weight * g + h, with g the sum of -score and h = `cost_to_go`, 0 when complete.

    Without `cost_to_go` it is uniform-cost search; a `cost_weight` below 1 is greedier.
    """

    cost_weight: float = 1.0
    cost_to_go: Cost | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.cost_weight < math.inf:
            raise InvalidOption(
                f"cost_weight={self.cost_weight} is not allowed; give a number of 0 or more"
            )

    def __call__(self, tree: Tree, node: Node, /) -> float:
        """The estimated cost of the best solution through `node`; infinite if unscored."""
        so_far = cost_so_far(tree, node)
        if math.isinf(so_far):
            return so_far
        return self.cost_weight * so_far + self._to_go(tree, node)

    def _to_go(self, tree: Tree, node: Node) -> float:
        if self.cost_to_go is None or node.done:
            return 0.0
        estimate = self.cost_to_go(tree, node)
        if not estimate >= 0:
            raise InvalidOption(
                f"cost_to_go gave {estimate} for node {node.id}; it must give 0 or more"
            )
        return estimate


def cost_so_far(tree: Tree, node: Node) -> float:
    """The sum of -score from the root to `node`; infinite when a step was not scored."""
    steps = tree.path(node.id)[1:]
    return sum((math.inf if step.score is None else -step.score for step in steps), start=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestFirst:
    """Always continue the cheapest partial solutions; stop when a complete one is the cheapest.

    A wave samples `expansion` continuations of each of the `batch` cheapest nodes. The search ends
    with the complete node that comes first in the queue (A*-decoding, 2505.13672), or with
    `solutions` of them. At `max_depth` steps the continuation runs to the end. A node whose
    continuations all fail is asked for again `retries` times; equal siblings count once.
    """

    expansion: int = 4
    batch: int = 1
    solutions: int = 1
    max_depth: int = 40
    retries: int = 1
    cost: Cost = MeanCost()
    score_range: tuple[float, float] = LOG_PROBABILITY

    def __post_init__(self) -> None:
        at_least(1, expansion=self.expansion, batch=self.batch)
        at_least(1, solutions=self.solutions, max_depth=self.max_depth)
        at_least(0, retries=self.retries)
        check_range(self.score_range)

    start = waves.start
    ask = waves.ask
    tell = waves.tell
    finished = waves.finished

    def plan(self, state: SearchState) -> SearchState:
        """Pop what is complete and cheapest, continue the cheapest of the rest; no wave when enough
        solutions were popped or no partial solution is left.
        """
        queue = self._queue(state)
        wanted = self.solutions - len(state.solved)
        popped = _complete_ahead(queue)[:wanted]
        queue = queue[len(popped) :]
        nodes = self._cheapest(queue, wanted - len(popped))
        return replace(
            state,
            wave=tuple(self._expand(node) for node in nodes),
            frontier=tuple(node.id for node in queue),
            solved=(*state.solved, *(node.id for node in popped)),
        )

    def _queue(self, state: SearchState) -> list[Node]:
        tree = state.tree
        expanded = [id for id in state.frontier if tree.children(id)]
        queue = [tree.node(id) for id in state.frontier if not tree.children(id)]
        for id in expanded:
            for node in successors(tree, id, self.expansion * (self.retries + 1)):
                if node.done or node.depth < self.max_depth:
                    insort(queue, node, key=partial(self._rank, tree))
        return queue

    def _rank(self, tree: Tree, node: Node) -> tuple[float, int, tuple[int, ...]]:
        return (self.cost(tree, node), -node.depth - self.max_depth * node.done, node.place)

    def _cheapest(self, queue: Sequence[Node], wanted: int) -> list[Node]:
        """The next nodes to continue: none that stands behind the last solution still wanted."""
        chosen: list[Node] = []
        for node in queue:
            if wanted == 0 or len(chosen) == self.batch:
                break
            if node.done:
                wanted -= 1
            else:
                chosen.append(node)
        return chosen

    def _expand(self, node: Node) -> Expansion:
        to_end = node.depth + 1 >= self.max_depth
        return Expansion(node=node.id, width=self.expansion, to_end=to_end)


def a_star(
    *,
    cost_to_go: Cost | None = None,
    cost_weight: float = 1.0,
    expansion: int = 4,
    batch: int = 1,
    solutions: int = 1,
    max_depth: int = 40,
) -> BestFirst:
    """A*: the first solution is the cheapest one sampled, if `cost_to_go` is never too high."""
    return BestFirst(
        expansion=expansion,
        batch=batch,
        solutions=solutions,
        max_depth=max_depth,
        cost=PathCost(cost_weight=cost_weight, cost_to_go=cost_to_go),
    )


def _complete_ahead(queue: Sequence[Node]) -> list[Node]:
    ahead = next((rank for rank, node in enumerate(queue) if not node.done), len(queue))
    return list(queue[:ahead])
