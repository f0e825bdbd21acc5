"""REBASE: reward-balanced search (arXiv 2408.00724)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from its_agent.errors import InvalidOption
from its_agent.search import waves
from its_agent.search.state import (
    Expansion,
    SearchState,
    at_least,
    by_score,
    check_range,
    successors,
)
from its_agent.search.tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase:
    """Shares `width` continuations a level among the open nodes by the softmax of their scores.

    Node i gets ceil(rest · exp(R_i / `temperature`) / Σ exp(R_j / `temperature`)) of what those
    before it have left, the best first; a complete node lowers the width for good. Equal siblings
    count once. At `max_depth` steps the continuation runs to the end. A node whose continuations
    all fail stands for election again until `width * (retries + 1)` of them were lost.
    """

    width: int = 16
    temperature: float = 0.2
    max_depth: int = 25
    retries: int = 1
    score_range: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        at_least(1, width=self.width, max_depth=self.max_depth)
        at_least(0, retries=self.retries)
        check_range(self.score_range)
        if not 0 < self.temperature < math.inf:
            raise InvalidOption(f"temperature={self.temperature}; give a number above 0")

    start = waves.start
    ask = waves.ask
    tell = waves.tell
    finished = waves.finished

    def plan(self, state: SearchState) -> SearchState:
        """Share the width among the open nodes; no wave when none is open, or as many are complete
        as the search is wide.
        """
        tries = self.width * (self.retries + 1)
        reached = [n for id in state.frontier for n in successors(state.tree, id, tries)]
        solved = (*state.solved, *(node.id for node in reached if node.done))
        open_nodes = [node for node in reached if not node.done and node.depth < self.max_depth]
        shares = list(self._shares(sorted(open_nodes, key=by_score), self.width - len(solved)))
        return replace(
            state,
            wave=tuple(self._expand(node, share) for node, share in shares),
            frontier=tuple(node.id for node, _ in shares),
            solved=solved,
        )

    def _shares(self, nodes: Sequence[Node], width: int) -> Iterator[tuple[Node, int]]:
        weights = balanced([node.score for node in nodes], self.temperature)
        rest = width
        for node, weight in zip(nodes, weights, strict=True):
            share = min(rest, math.ceil(width * weight))
            if share < 1:
                return
            yield node, share
            rest -= share

    def _expand(self, node: Node, width: int) -> Expansion:
        to_end = node.depth + 1 >= self.max_depth
        return Expansion(node=node.id, width=width, to_end=to_end)


def balanced(scores: Sequence[float | None], temperature: float) -> list[float]:
    """The softmax of scores / temperature; one without a score weighs nothing, unless none has
    one: then all weigh the same."""
    known = [score for score in scores if score is not None]
    if not known:
        return [1 / len(scores) for _ in scores]
    best = max(known)
    raw = [0.0 if s is None else math.exp((s - best) / temperature) for s in scores]
    total = math.fsum(raw)
    return [weight / total for weight in raw]
