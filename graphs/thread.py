"""A checkpointed solve: where it stands, what it has used, and how it goes on after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot

from its_agent.budget import Usage
from its_agent.errors import InvalidOption
from its_agent.graphs.context import Context
from its_agent.graphs.state import Plain, State, plain_usage

SolveGraph: TypeAlias = CompiledStateGraph[State, Context, State, State]

IN_FLIGHT = "in_flight"
"""Purpose of what a killed run had bought and not settled: charged at its reservation."""
START = "__start__"
BEFORE: Mapping[str, str] = {
    "estimate": START,
    "route": "verify",
    "single_pass": "route",
    "attempts": "route",
    "refine": "route",
    "search": "route",
    "thinking": "route",
    "draft": START,
    "weigh": "draft",
    "critique": "weigh",
    "improve": "critique",
    "harvest": "expand",
}
"""A node after which the named one comes: where a correction of the state is written."""
SAYS_WHERE_TO = ("route", "verify")
"""Nodes that name the next one themselves."""

FREE = (None, "route", "verify", "weigh", "harvest")
"""Nodes that buy nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run stands: the innermost checkpoint, and the node that comes next."""

    config: RunnableConfig
    values: Plain
    next: str | None
    """None where the run has ended."""
    done: str | None = None
    """The node that ran last, where what it brought is in the values and not yet in a checkpoint;
    what comes next is up to its edges then."""

    @property
    def spent(self) -> dict[str, Usage]:
        """Settled usage by purpose, with what was in flight charged in full."""
        books: Plain = self.values.get("books", {}).get("spent", {})
        settled = {name: Usage(**usage) for name, usage in books.items()}
        lost = self.values.get("intent")
        if self.done is None and self.next not in FREE and lost:
            settled[IN_FLIGHT] = settled.get(IN_FLIGHT, Usage()) + Usage(**lost)
        return settled


def thread(thread_id: str, checkpoint_id: str | None = None) -> RunnableConfig:
    """The address of a run, or of one moment in its history."""
    place: dict[str, Any] = {"thread_id": thread_id, "checkpoint_ns": ""}
    if checkpoint_id is not None:
        place["checkpoint_id"] = checkpoint_id
    return {"configurable": place}


async def has_begun(graph: SolveGraph, thread_id: str) -> bool:
    """Whether there is a run of this name."""
    return bool((await graph.aget_state(thread(thread_id))).values)


async def find(graph: SolveGraph, thread_id: str, checkpoint_id: str | None = None) -> Place:
    """Find where a run stands, or stood. Raises InvalidOption where there is none."""
    snapshot = await graph.aget_state(thread(thread_id, checkpoint_id), subgraphs=True)
    if not snapshot.values:
        which = thread_id if checkpoint_id is None else f"{thread_id} at {checkpoint_id}"
        raise InvalidOption(
            f"there is no run {which!r} to resume; start it with asolve(…, thread_id={thread_id!r})"
        )
    return _innermost(snapshot)


async def charge(graph: SolveGraph, place: Place, latest: Place) -> None:
    """Write into the state at a place what the run has used in all, up to its latest place, so that
    it outlives the next kill too."""
    if place.next is None:
        return
    before = place.done or BEFORE.get(place.next) or _before(place)
    books = {**latest.values.get("books", {}), "spent": plain_usage(latest.spent)}
    update: Any = {"books": books}
    if place.done is not None:
        update = {**place.values, **update}
    if before in SAYS_WHERE_TO:
        update = Command(update=update, goto=place.next)
    await graph.aupdate_state(place.config, update, as_node=before)


def _before(place: Place) -> str:
    if place.next == "verify":
        return str(place.values["plan"]["path"])
    if place.next == "think":
        return START if place.values.get("thinking") is None else "think"
    return START if place.values.get("search") is None else "expand"


def _innermost(snapshot: StateSnapshot) -> Place:
    while snapshot.tasks and isinstance(inner := snapshot.tasks[0].state, StateSnapshot):
        if not inner.values:
            break
        if not inner.tasks:
            return _after(snapshot, dict(inner.values))
        snapshot = inner
    values = dict(snapshot.values)
    if snapshot.tasks and not snapshot.next:
        return _after(snapshot, values)
    return Place(
        config=snapshot.config,
        values=values,
        next=snapshot.next[0] if snapshot.next else None,
    )


def _after(snapshot: StateSnapshot, values: Plain) -> Place:
    """The place after a node that has run, and whose checkpoint was not written any more."""
    done = snapshot.tasks[0].name
    following: str | None = done
    if done in SAYS_WHERE_TO and values["stopped_because"]:
        following = None
    elif done in SAYS_WHERE_TO:
        following = "route" if done == "verify" else str(values["plan"]["path"])
    return Place(config=snapshot.config, values=values, next=following, done=done)
