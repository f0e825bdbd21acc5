"""The page of one solve."""

from __future__ import annotations

from collections.abc import Iterable

from its_agent.events import Event
from its_agent.trace.document import document
from its_agent.trace.story import one_run, story

_SCRIPTS = (
    *("kit.js", "detail.js", "way.js", "votes.js", "forest.js", "spending.js"),
    "solve.js",
)


def solve_page(events: Iterable[Event], run_id: str | None = None) -> str:
    """A self-contained HTML page of the solve with that id, else of the last one that began.

    The events are those that an `on_event` sink got, or `read_trace` read. Raises InvalidInput
    where there is no such solve.
    """
    told = story(one_run(events, run_id))
    return document(f"its_agent: {told['strategy'] or 'a solve'}", told, _SCRIPTS)
