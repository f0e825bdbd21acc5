"""Step-level beam search."""

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
from its_agent.search.tree import ROOT, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamSearch:
    """Keep the `width` best partial solutions and sample `expansion` continuations of each.

    A level costs up to `width * expansion` continuations, the first one included, which samples
    them all from the root. The score of the last step ranks; a complete beam keeps its place and
    is no longer continued; equal siblings count once. At `max_depth` steps the continuation runs
    to the end. A node whose continuations all fail is asked for again `retries` times. This is the
    beam search of Snell et al. (2408.03314) with N = `width * expansion` and M = `expansion`.
    """

    width: int = 4
    expansion: int = 4
    max_depth: int = 40
    retries: int = 1
    score_range: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        at_least(1, width=self.width, expansion=self.expansion, max_depth=self.max_depth)
        at_least(0, retries=self.retries)
        check_range(self.score_range)

    start = waves.start
    ask = waves.ask
    tell = waves.tell
    finished = waves.finished

    def plan(self, state: SearchState) -> SearchState:
        """Keep the best, continue each; no wave when all are complete, too deep or lost."""
        kept = self._select(state)
        solved = (*state.solved, *(node.id for node in kept if node.done))
        beams = [node for node in kept if not node.done and node.depth < self.max_depth]
        return replace(
            state,
            wave=tuple(self._expand(node) for node in beams),
            frontier=tuple(node.id for node in beams),
            solved=solved,
        )

    def _select(self, state: SearchState) -> list[Node]:
        candidates = [
            node
            for id in state.frontier
            for node in successors(state.tree, id, self._asked(id) * (self.retries + 1))
        ]
        return sorted(candidates, key=by_score)[: self.width - len(state.solved)]

    def _expand(self, node: Node) -> Expansion:
        to_end = node.depth + 1 >= self.max_depth
        return Expansion(node=node.id, width=self._asked(node.id), to_end=to_end)

    def _asked(self, id: str) -> int:
        return self.expansion * self.width if id == ROOT else self.expansion
