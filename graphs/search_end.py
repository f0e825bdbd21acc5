"""How a search that runs out of its share takes its likeliest paths to the end."""

from __future__ import annotations

import math
from collections import Counter

from its_agent.graphs.context import Context
from its_agent.graphs.expansions import whole_path, worst_of
from its_agent.graphs.scales import Scale
from its_agent.graphs.standing import Standing
from its_agent.graphs.state import State
from its_agent.search import Expansion, Search


def must_end(
    state: State, context: Context, algorithm: Search, standing: Standing, *, share: int | None
) -> bool:
    """Whether nothing is complete yet, and the share would not pay for a whole path after the next
    wave and its scores."""
    tree = standing.search.tree
    if standing.is_ending:
        return True
    if share is None or tree.done_leaves() or not tree.explored:
        return False
    wave = algorithm.ask(standing.search)
    price = sum(worst_of(state, context, standing, expansion) for expansion in wave)
    return share - price < whole_path(state, context)


def to_the_end(
    algorithm: Search, standing: Standing, *, by: Scale = "log_probability"
) -> tuple[Expansion, ...]:
    """The best of the open paths, those first that none was completed from: by its score, or by
    its log-probability where that is what scores are."""
    ends = Counter(node.parent for node in standing.search.tree.done_leaves())

    def rank(expansion: Expansion) -> tuple[int, float, float]:
        score = standing.search.tree.node(expansion.node).score
        worth = None if by == "log_probability" else score
        likely = standing.weight(expansion.node).mean
        return (ends[expansion.node], _worst_last(worth), _worst_last(likely))

    open_paths = sorted(algorithm.ask(standing.search), key=rank)
    return tuple(Expansion(node=e.node, width=1, to_end=True) for e in open_paths[:1])


def _worst_last(score: float | None) -> float:
    return math.inf if score is None else -score
