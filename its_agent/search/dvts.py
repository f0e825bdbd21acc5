"""Diverse verifier tree search: independent greedy subtrees."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from its_agent.search import waves
from its_agent.search.state import (
    Expansion,
    SearchState,
    at_least,
    by_score,
    check_range,
    successors,
)
from its_agent.search.tree import ROOT, Node, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class DVTS:
    """`subtrees` searches that share nothing but the root, each keeping the best of `expansion`
    continuations of its one node.

    A level costs up to `subtrees * expansion` continuations. A subtree ends with a complete node,
    or where all its continuations fail `retries + 1` times; its complete siblings count as
    solutions too. At `max_depth` steps the continuation runs to the end. As in search-and-learn
    (N = `subtrees * expansion`, M = `expansion`), whose authors describe it beside 2408.03314.
    """

    subtrees: int = 4
    expansion: int = 4
    max_depth: int = 40
    retries: int = 1
    score_range: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        at_least(1, subtrees=self.subtrees, expansion=self.expansion, max_depth=self.max_depth)
        at_least(0, retries=self.retries)
        check_range(self.score_range)

    start = waves.start
    ask = waves.ask
    tell = waves.tell
    finished = waves.finished

    def plan(self, state: SearchState) -> SearchState:
        """Let every subtree go on with its best node; no wave when each has ended."""
        kept = [node for id in state.frontier for node in self._next(state.tree, id)]
        going = [node for node in kept if not node.done and node.depth < self.max_depth]
        return replace(
            state,
            wave=tuple(self._expand(node) for node in going),
            frontier=tuple(node.id for node in going),
            solved=(*state.solved, *(node.id for node in kept if node.done)),
        )

    def _next(self, tree: Tree, id: str) -> list[Node]:
        """The node that each subtree which stands at `id` goes on with."""
        found = successors(tree, id, self._asked(id) * (self.retries + 1))
        if id != ROOT:
            return sorted(found, key=by_score)[:1]
        groups: dict[int, list[Node]] = {}
        for node in found:
            groups.setdefault(self._subtree(node), []).append(node)
        return [min(groups[group], key=by_score) for group in sorted(groups)]

    def _subtree(self, node: Node) -> int:
        """The subtree that a child of the root belongs to, by its place."""
        return node.place[-1] // self.expansion % self.subtrees

    def _expand(self, node: Node) -> Expansion:
        to_end = node.depth + 1 >= self.max_depth
        return Expansion(node=node.id, width=self._asked(node.id), to_end=to_end)

    def _asked(self, id: str) -> int:
        return self.expansion * self.subtrees if id == ROOT else self.expansion
