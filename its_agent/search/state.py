"""Where a search stands: a value that the caller owns, and how steps are asked for and recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from its_agent.errors import InvalidOption
from its_agent.search.tree import LOST, Node, PlainTree, StepResult, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A request to sample `width` continuations of one node.

    Each continuation is one step, or, with `to_end`, everything up to the end of the text.
    """

    node: str
    width: int
    to_end: bool = False

    def __post_init__(self) -> None:
        at_least(1, width=self.width)


class PlainExpansion(TypedDict):
    """An expansion as JSON."""

    node: str
    width: int
    to_end: bool


class PlainState(TypedDict):
    """A search state as JSON."""

    tree: PlainTree
    wave: list[PlainExpansion]
    frontier: list[str]
    solved: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchState:
    """One moment of a search.

    `wave` is what is still to be told, best first; `frontier` are the nodes that the search may
    continue from; `solved` are the complete nodes that it settled on, in that order.
    """

    tree: Tree
    wave: tuple[Expansion, ...] = ()
    frontier: tuple[str, ...] = ()
    solved: tuple[str, ...] = ()

    def to_plain(self) -> PlainState:
        """The state as dicts and lists that survive JSON and a checkpoint."""
        return {
            "tree": self.tree.to_plain(),
            "wave": [_plain(expansion) for expansion in self.wave],
            "frontier": list(self.frontier),
            "solved": list(self.solved),
        }

    @classmethod
    def from_plain(cls, plain: PlainState) -> SearchState:
        """The state that `to_plain` wrote."""
        return cls(
            tree=Tree.from_plain(plain["tree"]),
            wave=tuple(Expansion(**record) for record in plain["wave"]),
            frontier=tuple(plain["frontier"]),
            solved=tuple(plain["solved"]),
        )


def within(room: int | None, wave: Sequence[Expansion]) -> Iterator[Expansion]:
    """The wave's first `room` continuations; the expansion that crosses the line is narrowed."""
    for expansion in wave:
        width = expansion.width if room is None else min(expansion.width, room)
        if width < 1:
            return
        yield replace(expansion, width=width)
        room = None if room is None else room - width


def record(
    state: SearchState,
    expansion: Expansion,
    steps: Sequence[StepResult],
    score_range: tuple[float, float],
) -> SearchState:
    """The state with what came back for `expansion`; steps that are missing count as failed.

    Raises InvalidOption, and leaves `state` as it was, when the expansion is not open, brings more
    steps than it asked for, or a score is not a number in `score_range`.
    """
    _check_open(state.wave, expansion)
    if len(steps) > expansion.width:
        raise InvalidOption(
            f"{len(steps)} steps for node {expansion.node}, which was asked for {expansion.width}; "
            "tell at most the width that was asked"
        )
    for step in steps:
        _check_score(step, expansion.node, score_range)
    lost = (LOST,) * (expansion.width - len(steps))
    tree = state.tree.grow(expansion.node, (*steps, *lost))
    return replace(state, tree=tree, wave=tuple(_still_open(state.wave, expansion)))


def successors(tree: Tree, id: str, tries: int) -> tuple[Node, ...]:
    """What takes that node's place: its distinct children, itself if it has yet to succeed.

    A node of which `tries` continuations failed and none came back has no successors.
    """
    children = tree.children(id)
    alive = {(child.text, child.done): child for child in _worst_first(children)}
    if alive:
        return tuple(alive.values())
    return (tree.node(id),) if len(children) < tries else ()


def at_least(lowest: int, **options: int) -> None:
    """Raise InvalidOption for the first option below `lowest`."""
    for name, value in options.items():
        if value < lowest:
            raise InvalidOption(f"{name}={value} is not allowed; give {lowest} or more")


def check_range(score_range: tuple[float, float]) -> None:
    """Raise InvalidOption unless the range runs from a lower to a higher number."""
    lowest, highest = score_range
    if not lowest < highest:
        raise InvalidOption(f"score_range={score_range} is empty; give (lowest, highest)")


def by_score(node: Node) -> tuple[float, tuple[int, ...]]:
    """A sort key: the highest score first, unscored nodes last, ties by place."""
    return (math.inf if node.score is None else -node.score, node.place)


def _plain(expansion: Expansion) -> PlainExpansion:
    return {"node": expansion.node, "width": expansion.width, "to_end": expansion.to_end}


def _worst_first(children: Iterable[Node]) -> list[Node]:
    alive = [child for child in children if not child.failed]
    return sorted(alive, key=by_score, reverse=True)


def _check_open(wave: Sequence[Expansion], expansion: Expansion) -> None:
    still = sum(item.width for item in wave if item.node == expansion.node)
    if expansion.width > still:
        raise InvalidOption(
            f"{expansion.width} continuations of node {expansion.node} told, {still} are open; "
            "tell each expansion once, to the state that asked for it or a later one"
        )


def _check_score(step: StepResult, node: str, score_range: tuple[float, float]) -> None:
    if step.failed or step.score is None:
        return
    lowest, highest = score_range
    if not (math.isfinite(step.score) and lowest <= step.score <= highest):
        raise InvalidOption(
            f"score {step.score} for a step of node {node} is not a finite number in "
            f"[{lowest:g}, {highest:g}]; correct it, or tell None for an unscored step"
        )


def _still_open(wave: Sequence[Expansion], told: Expansion) -> Iterator[Expansion]:
    for item in wave:
        if item.node != told.node:
            yield item
        elif item.width > told.width:
            yield replace(item, width=item.width - told.width)
