"""What a model asks its tools for: calls as they stream in, whole ones, and what they mean."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from its_agent.normal_form import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPiece:
    """A piece of one call; the texts of pieces with the same index join."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    """JSON, or a part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call as the model wrote it."""

    id: str
    name: str
    arguments: str
    """JSON, as far as the model got it right."""

    @property
    def values(self) -> Mapping[str, Any] | None:
        """The arguments by name; None where they are not a JSON object. No text is no argument."""
        try:
            read: object = json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            return None
        return cast("dict[str, Any]", read) if isinstance(read, dict) else None


@dataclass(slots=True)
class CallReader:
    """Joins the pieces of one sample's calls."""

    _calls: dict[int, ToolCall] = field(default_factory=dict[int, ToolCall])

    def take(self, pieces: Iterable[CallPiece]) -> None:
        """Add what has arrived. Some servers repeat the id and the name with every piece."""
        for piece in pieces:
            so_far = self._calls.get(piece.index, ToolCall(id="", name="", arguments=""))
            self._calls[piece.index] = ToolCall(
                id=so_far.id or piece.id,
                name=so_far.name or piece.name,
                arguments=so_far.arguments + piece.arguments,
            )

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, in their order."""
        return tuple(call for _, call in sorted(self._calls.items()))


def call_id(given: str) -> str:
    """The server's, or one that a tool's answer can refer to."""
    return given or f"call_{uuid4().hex}"


def meaning(calls: Sequence[ToolCall], known: Collection[str]) -> str | None:
    """One text for all ways to write the same calls: names, then arguments as JSON values, in their
    order. None where one of them cannot be made: arguments that are no JSON object, or a tool that
    is not among the `known`."""
    values = [call.values for call in calls]
    if None in values or any(call.name not in known for call in calls):
        return None
    plain = [
        {"name": call.name, "arguments": value} for call, value in zip(calls, values, strict=True)
    ]
    return canonical_json(json.dumps(plain))
