"""Tells the host how a solve goes on: numbers and answers, never a candidate's text."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import adispatch_custom_event
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_stream_writer

from its_agent.events import Event, Judged, Routed, Sampled, Spent

PROGRESS = "its_progress"
"""The name of the custom events."""


def progress_of(event: Event) -> dict[str, Any] | None:
    """An event as plain data; None for one that says nothing of the course of a solve."""
    match event:
        case Routed(path=path, arm=arm, samples=samples, why=why):
            said: dict[str, Any] = {"path": path, "arm": arm, "samples": samples, "why": why}
        case Sampled(candidate=candidate):
            said = {"candidate": candidate.id, "strategy": candidate.strategy}
        case Judged(verdict=verdict):
            said = {"confidence": verdict.confidence, "votes": verdict.votes}
        case Spent(purpose=purpose):
            said = {"purpose": purpose}
        case _:
            return None
    kind = type(event).__name__.lower()
    return {"kind": kind, "spent": event.spent.compute, "elapsed": event.elapsed, **said}


async def heartbeat(event: Event) -> AIMessageChunk | None:
    """Tell of an event, and return an empty piece for one that counts, so that whoever reads the
    stream sees it live."""
    said = progress_of(event)
    if said is None:
        return None
    await tell(said)
    return AIMessageChunk(content="")


async def tell(said: dict[str, Any]) -> None:
    """Send a custom event to the callbacks of the run around, and to LangGraph's custom stream;
    outside of a run there is nobody to hear it."""
    config = var_child_runnable_config.get()
    if not config or not config.get("callbacks"):
        return
    await adispatch_custom_event(PROGRESS, said, config=config)
    if "__pregel_runtime" in config.get("configurable", {}):
        get_stream_writer()({PROGRESS: said})
