"""Monte-Carlo tree search with UCT (Kocsis and Szepesvári, 2006)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from its_agent.errors import InvalidOption
from its_agent.search import waves
from its_agent.search.evidence import LOG_PROBABILITY, Branch, check_bounded, complete, survey
from its_agent.search.state import Expansion, SearchState, at_least, within
from its_agent.search.tree import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class MCTS:
    """Go down from the root by UCT, sample `expansion` continuations of the leaf, and back up their
    scores as rewards from 0 to 1; no rollouts.

    Ends with `solutions` distinct complete nodes, after `samples` continuations, or when nothing is
    open. A wave takes up to `batch` leaves, each of which counts as a visit of reward 0 for those
    after it (virtual loss). With `widening` a node of n visits that has fewer than `expansion` *
    n**`widening` continuations gets one more (progressive widening). Complete nodes are not
    continued and equal siblings count once. At `max_depth` steps the continuation runs to the end,
    and so does the last wave that `samples` leaves room for while nothing is complete. A node whose
    continuations all fail is asked for again `retries` times.
    """

    expansion: int = 4
    exploration: float = math.sqrt(2)
    batch: int = 1
    widening: float | None = None
    samples: int = 128
    solutions: int = 4
    max_depth: int = 40
    retries: int = 1
    score_range: tuple[float, float] = LOG_PROBABILITY

    def __post_init__(self) -> None:
        at_least(1, expansion=self.expansion, batch=self.batch, samples=self.samples)
        at_least(1, solutions=self.solutions, max_depth=self.max_depth)
        at_least(0, retries=self.retries)
        check_bounded(self.score_range)
        if not 0 <= self.exploration < math.inf:
            raise InvalidOption(f"exploration={self.exploration}; give a number of 0 or more")
        if self.widening is not None and not 0 < self.widening < 1:
            raise InvalidOption(f"widening={self.widening}; give a number between 0 and 1, or None")

    start = waves.start
    ask = waves.ask
    tell = waves.tell
    finished = waves.finished

    def plan(self, state: SearchState) -> SearchState:
        """Choose the next leaves; no wave when the search has what it wants or may spend."""
        view = survey(state.tree, self.score_range)
        solved = complete(view)
        left = self.samples - len(state.tree.nodes()) + 1
        is_last = not solved and left <= self.batch * self.expansion
        chosen = self._leaves(view) if len(solved) < self.solutions else iter(())
        wave = [self._expand(branch, is_last) for branch in chosen]
        return replace(state, wave=tuple(within(left, wave)), solved=solved)

    def _leaves(self, view: Mapping[str, Branch]) -> Iterator[Branch]:
        """The leaves of one wave, as the search would visit them while all of them lose."""
        losses: Counter[str] = Counter()
        taken: set[str] = set()
        for _ in range(self.batch):
            ahead = self._ahead(view, taken)
            if ROOT not in ahead:
                return
            path = self._descend(view, ahead, losses, taken)
            losses.update(branch.node.id for branch in path)
            taken.add(path[-1].node.id)
            yield path[-1]

    def _ahead(self, view: Mapping[str, Branch], taken: set[str]) -> set[str]:
        """The nodes that can be expanded, and those that lead to one."""
        found: set[str] = set()
        for id, branch in view.items():
            expandable = id not in taken and self._expandable(branch)
            if expandable or any(child.node.id in found for child in branch.children):
                found.add(id)
        return found

    def _expandable(self, branch: Branch) -> bool:
        if branch.node.done or branch.node.depth >= self.max_depth:
            return False
        if not branch.children:
            return branch.asked < self.expansion * (self.retries + 1)
        if self.widening is None:
            return False
        return branch.asked < self.expansion * math.pow(branch.subtree.count, self.widening)

    def _descend(
        self,
        view: Mapping[str, Branch],
        ahead: set[str],
        losses: Mapping[str, int],
        taken: set[str],
    ) -> list[Branch]:
        """The path from the root to the node to expand."""
        path = [view[ROOT]]
        while path[-1].node.id in taken or not self._expandable(path[-1]):
            parent = path[-1]
            visits = parent.subtree.count + losses.get(parent.node.id, 0)
            options = [child for child in parent.children if child.node.id in ahead]
            bounds = [self._bound(c, visits, losses.get(c.node.id, 0)) for c in options]
            path.append(options[bounds.index(max(bounds))])
        return path

    def _bound(self, child: Branch, parent_visits: int, losses: int) -> float:
        seen = child.subtree
        return upper_bound(seen.total, seen.count + losses, parent_visits, self.exploration)

    def _expand(self, branch: Branch, is_last: bool) -> Expansion:
        node = branch.node
        to_end = is_last or node.depth + 1 >= self.max_depth
        return Expansion(
            node=node.id, width=1 if branch.children else self.expansion, to_end=to_end
        )


def upper_bound(total: float, visits: int, parent_visits: int, exploration: float) -> float:
    """UCB1, total / n + c * sqrt(ln N / n): what a node may be worth, after n visits of its own and
    N of its parent."""
    return total / visits + exploration * math.sqrt(math.log(parent_visits) / visits)
