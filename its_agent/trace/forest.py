"""The search trees of a solve, laid out: depth to the right, a row for every leaf."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from its_agent.events import Event, PartialSolution, Sampled, Searched

ROOT = "0"
Plain = dict[str, Any]


def forest(events: Iterable[Event]) -> list[Plain]:
    """A tree for every search, its nodes in the order in which they are walked."""
    trees: dict[tuple[int, str], dict[str, PartialSolution]] = {}
    frontiers: dict[tuple[int, str], tuple[str, ...]] = {}
    harvests: dict[tuple[int, str], dict[str, str]] = {}
    for event in events:
        if isinstance(event, Searched):
            key = (event.step, event.algorithm)
            trees.setdefault(key, {}).update({node.id: node for node in event.nodes})
            frontiers[key] = event.frontier
        elif isinstance(event, Sampled) and event.node is not None and trees:
            harvests.setdefault(list(trees)[-1], {})[event.node] = event.candidate.id
    return [
        {
            "step": key[0],
            "algorithm": key[1],
            "frontier": list(frontiers[key]),
            **laid_out(nodes, harvests.get(key, {})),
        }
        for key, nodes in trees.items()
    ]


def laid_out(nodes: dict[str, PartialSolution], harvest: dict[str, str]) -> Plain:
    """The nodes with their rows; `parent` is a place in the list, the root's is -1."""
    order = sorted({ROOT, *nodes}, key=_place)
    places = {id: place for place, id in enumerate(order)}
    parents = [places.get(id.rpartition(".")[0], -1) for id in order]
    rows, leaves = _rows(parents)
    listed = [
        _plain(id, nodes.get(id), parents[place], rows[place], harvest.get(id))
        for place, id in enumerate(order)
    ]
    depth = max(id.count(".") for id in order)
    return {"nodes": listed, "rows": leaves, "depth": depth}


def _rows(parents: list[int]) -> tuple[list[float], int]:
    """Leaves one below the other, a parent in the middle between its first and its last child.

    In tree order children come after their parent, so that one pass backwards is enough.
    """
    spans: list[tuple[float, float] | None] = [None] * len(parents)
    inner = set(parents)
    leaves = [place for place in range(len(parents)) if place not in inner]
    for row, place in enumerate(leaves):
        spans[place] = (row, row)
    middles = [0.0] * len(parents)
    for place in range(len(parents) - 1, -1, -1):
        low, high = spans[place] or (0.0, 0.0)
        middles[place] = (low + high) / 2
        parent = parents[place]
        if parent >= 0:
            known = spans[parent] or (middles[place], middles[place])
            spans[parent] = (min(known[0], middles[place]), max(known[1], middles[place]))
    return middles, len(leaves)


def _place(id: str) -> tuple[int, ...]:
    return tuple(map(int, id.split(".")))


def _plain(
    id: str, node: PartialSolution | None, parent: int, row: float, candidate: str | None
) -> Plain:
    return {
        "id": id,
        "parent": parent,
        "depth": id.count("."),
        "row": row,
        "text": node.text if node else "",
        "score": node.score if node else None,
        "done": bool(node and node.done),
        "failed": bool(node and node.failed),
        "candidate": candidate,
    }
