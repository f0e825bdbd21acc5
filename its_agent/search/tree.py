"""The search tree: partial solutions as nodes, one step of text each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypedDict

from its_agent.errors import InvalidOption

ROOT = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One continuation that came back: a step's text, its score, and whether the text ends there.

    `score` is a mean log-probability or a verifier's number, higher is better; None where nobody
    could score it. A step with `failed` set was lost and is only kept for the record.
    """

    text: str
    score: float | None = None
    done: bool = False
    failed: bool = False


LOST = StepResult(text="", failed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A partial solution; `text` is its last step only.

    `id` is the place in the tree, as "0.2.1": the second child of the root's third child. It does
    not depend on the order in which different nodes were expanded.
    """

    id: str
    parent: str | None
    depth: int
    text: str = ""
    score: float | None = None
    done: bool = False
    failed: bool = False

    @property
    def place(self) -> tuple[int, ...]:
        """The id as numbers, which sort in tree order."""
        return tuple(int(part) for part in self.id.split("."))


class PlainNode(TypedDict):
    """A node as JSON."""

    id: str
    parent: str | None
    depth: int
    text: str
    score: float | None
    done: bool
    failed: bool


class PlainTree(TypedDict):
    """A tree as JSON; the nodes are in order of depth, then of place."""

    nodes: list[PlainNode]


def _only_root() -> tuple[Mapping[str, Node], ...]:
    return ({ROOT: Node(id=ROOT, parent=None, depth=0)},)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """An immutable tree; growing it copies one depth's index and shares everything else."""

    levels: tuple[Mapping[str, Node], ...] = field(default_factory=_only_root)

    def node(self, id: str) -> Node:
        """The node with that id, found without a scan; raises InvalidOption when there is none."""
        found = self._find(id)
        if found is None:
            raise InvalidOption(f"no node {id!r} in the tree; ids come from ask() and nodes()")
        return found

    def nodes(self) -> tuple[Node, ...]:
        """Every node, the root and the failed ones too, by depth and then by place."""
        return tuple(node for level in self.levels for node in _in_place(level.values()))

    def children(self, id: str) -> tuple[Node, ...]:
        """The children in the order in which they were told, failed ones included."""
        return tuple(self._offspring(id))

    def path(self, id: str) -> tuple[Node, ...]:
        """The nodes from the root to that node, both included."""
        parts = id.split(".")
        return tuple(self.node(".".join(parts[:end])) for end in range(1, len(parts) + 1))

    def path_text(self, id: str) -> str:
        """The text of the solution so far: its steps joined, from the root on, or from the complete
        solution on that it refines."""
        steps = self.path(id)
        ends = [rank for rank, node in enumerate(steps[:-1], start=1) if node.done]
        return "".join(node.text for node in steps[max(ends, default=0) :])

    def leaves(self) -> tuple[Node, ...]:
        """The nodes that did not fail and that nothing continues, by depth and then by place."""
        return tuple(node for node in self.nodes() if not node.failed and self._ends(node))

    def done_leaves(self) -> tuple[Node, ...]:
        """The complete solutions, by depth and then by place; one that was refined is still one."""
        return tuple(node for node in self.nodes() if node.done)

    @property
    def explored(self) -> int:
        """How many continuations came back: the nodes but for the root and the failed ones."""
        return sum(not node.failed for level in self.levels[1:] for node in level.values())

    def grow(self, parent: str, steps: Sequence[StepResult]) -> Tree:
        """The tree with those steps as further children of `parent`."""
        depth = self.node(parent).depth + 1
        first = len(self.children(parent))
        born = [_child(parent, depth, rank, step) for rank, step in enumerate(steps, start=first)]
        if not born:
            return self
        level = {**self._level(depth), **{node.id: node for node in born}}
        return Tree(levels=(*self.levels[:depth], level, *self.levels[depth + 1 :]))

    def to_plain(self) -> PlainTree:
        """The tree as dicts and lists that survive JSON and a checkpoint."""
        return {"nodes": [_plain(node) for node in self.nodes()]}

    @classmethod
    def from_plain(cls, plain: PlainTree) -> Tree:
        """The tree that `to_plain` wrote."""
        levels: dict[int, dict[str, Node]] = {}
        for record in plain["nodes"]:
            levels.setdefault(record["depth"], {})[record["id"]] = Node(**record)
        return cls(levels=tuple(levels[depth] for depth in sorted(levels)))

    def _level(self, depth: int) -> Mapping[str, Node]:
        return self.levels[depth] if depth < len(self.levels) else {}

    def _find(self, id: str) -> Node | None:
        return self._level(id.count(".")).get(id)

    def _offspring(self, id: str) -> Iterator[Node]:
        for rank in count():
            child = self._find(f"{id}.{rank}")
            if child is None:
                return
            yield child

    def _ends(self, node: Node) -> bool:
        return all(child.failed for child in self._offspring(node.id))


def _child(parent: str, depth: int, rank: int, step: StepResult) -> Node:
    return Node(
        id=f"{parent}.{rank}",
        parent=parent,
        depth=depth,
        text=step.text,
        score=None if step.failed else step.score,
        done=step.done and not step.failed,
        failed=step.failed,
    )


def _plain(node: Node) -> PlainNode:
    return {
        "id": node.id,
        "parent": node.parent,
        "depth": node.depth,
        "text": node.text,
        "score": node.score,
        "done": node.done,
        "failed": node.failed,
    }


def _in_place(nodes: Iterable[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.place)
