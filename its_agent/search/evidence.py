"""What a tree says about each of its nodes: rewards from 0 to 1, added up over the subtree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from its_agent.errors import InvalidOption
from its_agent.search.state import by_score, check_range
from its_agent.search.tree import Node, Tree

LOG_PROBABILITY = (-math.inf, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Rewards that were seen: how many, their sum, and the sum of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            count=self.count + other.count,
            total=self.total + other.total,
            squares=self.squares + other.squares,
        )

    @property
    def mean(self) -> float:
        """The mean reward, 0 where nothing was seen."""
        return self.total / self.count if self.count else 0.0

    @property
    def spread(self) -> float:
        """The sum of the squared deviations from the mean."""
        return max(0.0, self.squares - self.count * self.mean**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A node with its distinct children and what was seen at it and below.

    `own` is the node's own reward, `generated` those of all its children, equal ones too, and
    `below` those of all its descendants, equal ones once. `asked` counts the continuations that
    were asked of it, failed ones included.
    """

    node: Node
    children: tuple[Branch, ...]
    asked: int
    own: Evidence
    generated: Evidence
    below: Evidence

    @property
    def subtree(self) -> Evidence:
        """The rewards of the node and of all its descendants."""
        return self.own + self.below

    @property
    def continued(self) -> Evidence:
        """The rewards of its children's descendants."""
        return together(child.below for child in self.children)


def survey(tree: Tree, score_range: tuple[float, float]) -> dict[str, Branch]:
    """The branches by their node's id, the deepest first; failed nodes have none."""
    found: dict[str, Branch] = {}
    for node in reversed([node for node in tree.nodes() if not node.failed]):
        born = tree.children(node.id)
        alive = [found[child.id] for child in born if not child.failed]
        children = _distinct(alive)
        found[node.id] = Branch(
            node=node,
            children=children,
            asked=len(born),
            own=_own(node, score_range),
            generated=together(branch.own for branch in alive),
            below=together(branch.subtree for branch in children),
        )
    return found


def reward(score: float | None, score_range: tuple[float, float]) -> float:
    """A score as a number from 0 to 1: its place in the range, or exp(score - highest) where the
    range has no lower end, which of a log-probability is the probability. Unscored steps get 0."""
    lowest, highest = score_range
    if score is None:
        return 0.0
    if math.isinf(lowest):
        return math.exp(score - highest)
    return (score - lowest) / (highest - lowest)


def check_bounded(score_range: tuple[float, float]) -> None:
    """Raise InvalidOption unless the range has an upper end, so that scores are rewards."""
    check_range(score_range)
    if math.isinf(score_range[1]):
        raise InvalidOption(
            f"score_range={score_range} has no upper end; give (lowest, highest), as (0, 1) for "
            "probabilities or (-inf, 0) for log-probabilities"
        )


def complete(view: Mapping[str, Branch]) -> tuple[str, ...]:
    """The complete nodes, equal siblings once, the best score first."""
    children = [child.node for branch in view.values() for child in branch.children]
    return tuple(node.id for node in sorted(children, key=by_score) if node.done)


def together(parts: Iterable[Evidence]) -> Evidence:
    """All of that evidence together."""
    return sum(parts, start=Evidence())


def _own(node: Node, score_range: tuple[float, float]) -> Evidence:
    if node.parent is None:
        return Evidence()
    worth = reward(node.score, score_range)
    return Evidence(count=1, total=worth, squares=worth * worth)


def _distinct(branches: Sequence[Branch]) -> tuple[Branch, ...]:
    """Of equal siblings the one that was continued, else the best, in order of place."""
    kept: dict[tuple[str, bool], Branch] = {}
    for branch in sorted(branches, key=_precedence):
        kept.setdefault((branch.node.text, branch.node.done), branch)
    return tuple(sorted(kept.values(), key=lambda branch: branch.node.place))


def _precedence(branch: Branch) -> tuple[bool, tuple[float, tuple[int, ...]]]:
    return (branch.asked == 0, by_score(branch.node))
