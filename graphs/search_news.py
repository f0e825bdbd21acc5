"""What a search tells of its tree after a wave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest

from its_agent.events import PartialSolution, Searched
from its_agent.graphs.context import Context
from its_agent.search import Node, SearchState


def tell(
    context: Context, algorithm: str, step: int, before: SearchState, after: SearchState
) -> None:
    """Tell what the tree has that it had not, where anybody listens."""
    if not context.emit.is_heard:
        return
    context.emit(
        Searched,
        step=step,
        algorithm=algorithm,
        nodes=tuple(map(_shown, _new(before, after))),
        frontier=after.frontier,
    )


def _new(before: SearchState, after: SearchState) -> Iterator[Node]:
    """A tree shares with the one that it grew from every level that did not change."""
    nothing: Mapping[str, Node] = {}
    for level, old in zip_longest(after.tree.levels, before.tree.levels, fillvalue=nothing):
        if level is not old:
            yield from (node for id, node in level.items() if id not in old)


def _shown(node: Node) -> PartialSolution:
    return PartialSolution(
        id=node.id, text=node.text, score=node.score, done=node.done, failed=node.failed
    )
