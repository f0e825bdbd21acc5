"""The trace file, version 1: JSON lines in ASCII, one event each.

The first line is `{"format": "its_agent trace", "version": 1}`. Every other one has `event`, the
kind in lower case ("started", "routed", …), and the fields of that class of `its_agent.events`,
values in them as objects; what JSON has no number for is "Infinity", "-Infinity" or "NaN". A file
may hold several solves, whose `run_id` tells them apart. A solve begins with "started" and ends
with "solved", which holds the solution and its receipt, or "failed". Readers leave out kinds and
fields that they do not know; a change that they could not live with has a new version.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from its_agent.errors import InvalidInput
from its_agent.events import (
    Estimated,
    Event,
    Failed,
    Judged,
    Requested,
    Retrying,
    Routed,
    Sampled,
    Searched,
    Solved,
    Spent,
    Started,
    ToolRan,
)
from its_agent.receipt import Step

FORMAT = "its_agent trace"
VERSION = 1

_KINDS = (
    *(Started, Estimated, Routed, Requested, Retrying, Spent, Sampled, Searched, ToolRan),
    *(Judged, Solved, Failed),
)
KINDS: Mapping[str, type[Event]] = MappingProxyType(
    {kind.__name__.lower(): kind for kind in _KINDS}
)
"""What is recorded: all but the arrival of tokens."""


def header() -> str:
    """The first line."""
    return json.dumps({"format": FORMAT, "version": VERSION}) + "\n"


def line_of(event: Event) -> str:
    """The line of an event."""
    return json.dumps({"event": type(event).__name__.lower(), **plain(event)}) + "\n"


def read_trace(path: str | Path) -> list[Event]:
    """The events in a file, in their order; a last line that was cut off is left out.

    Raises InvalidInput for a file that cannot be read, is no trace, or has a newer format.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise InvalidInput(f"the trace {path} cannot be read: {error}") from error
    _check_header(lines[0], path)
    whole = enumerate(lines[1:-1], 2)
    events = (_event(line, f"{path}, line {number}") for number, line in whole if line.strip())
    return [event for event in events if event is not None]


def is_trace(path: Path) -> bool:
    """Whether a file says that it is a trace, of whatever version."""
    try:
        with path.open("rb") as handle:
            return _header_of(handle.readline()).get("format") == FORMAT
    except OSError as error:
        raise InvalidInput(f"the file {path} cannot be read: {error}") from error


def _check_header(line: bytes, path: str | Path) -> None:
    said = _header_of(line)
    if said.get("format") != FORMAT:
        raise InvalidInput(
            f"{path} is not a trace: its first line does not say so; record one with "
            "`its-agent solve … --trace FILE` or TraceRecorder(path)"
        )
    if said.get("version") != VERSION:
        raise InvalidInput(
            f"{path} has version {said.get('version')!r} of the trace format, this is a reader of "
            f"version {VERSION}; use the its_agent that recorded it"
        )


def _header_of(line: bytes) -> dict[str, Any]:
    try:
        said: object = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _event(line: bytes, where: str) -> Event | None:
    try:
        said: Any = json.loads(line)
        name = said["event"]
        return _reader(name).validate_python(said) if name in KINDS else None
    except (ValueError, TypeError, KeyError) as error:
        flaw = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise InvalidInput(f"{where} is not an event ({flaw}); record the trace again") from error


@cache
def _reader(name: str) -> TypeAdapter[Event]:
    return TypeAdapter(KINDS[name])


def plain(value: Any) -> Any:
    """A value as what JSON knows."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Step):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): plain(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("list[object]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
