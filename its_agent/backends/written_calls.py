"""Calls that a model writes as plain JSON where its server's parser looks for marks around them.

Small models leave the marks out that their chat template asks for, or fence the JSON instead; the
server then takes the call for text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from its_agent.backends.protocol import Delta, Request
from its_agent.tool_calls import CallPiece, call_id

_OPENINGS = ("{", "[", "```json", "```\n", "<tool_call>", "<tools>", "<function_call>")
_AROUND = re.compile(r"(?:\s|,|```(?:json)?|</?(?:tool_call|tools|function_call)>)*")
"""What may stand before, between and after calls."""
_FORMS = ({"name", "arguments"}, {"name", "parameters"})
"""The members of a call; an object with others describes a tool, or is an answer."""


def may_call(request: Request) -> bool:
    """Whether samples of a request may choose to call something."""
    return bool(request.tools) and request.tool_choice in (None, "auto")


def calls_written(text: str) -> tuple[CallPiece, ...]:
    """The calls that a text consists of; none where it says anything else."""
    try:
        values = list(_values(text))
    except (ValueError, RecursionError):
        return ()
    if not all(set(value) in _FORMS for value in values):
        return ()
    calls = [(value["name"], value.get("arguments", value.get("parameters"))) for value in values]
    if not all(isinstance(name, str) and isinstance(given, dict) for name, given in calls):
        return ()
    return tuple(
        CallPiece(index=index, id=call_id(""), name=name, arguments=json.dumps(given))
        for index, (name, given) in enumerate(calls)
    )


@dataclass(slots=True)
class WrittenCalls:
    """Reads the calls out of one request's samples. A text that begins like a call is held back
    until it is known to be one, so that nobody is shown a call as an answer."""

    _held: dict[int, str] = field(default_factory=dict[int, str])
    _passed: set[int] = field(default_factory=set[int])

    def read(self, delta: Delta) -> Delta:
        """The piece with its text, with the text held so far, with none, or with calls instead."""
        if delta.index in self._passed:
            return delta
        text = self._held.pop(delta.index, "") + delta.text
        if delta.calls:
            self._passed.add(delta.index)
        elif delta.finish is not None:
            calls = calls_written(text) if delta.finish == "stop" else ()
            text, delta = ("", replace(delta, calls=calls)) if calls else (text, delta)
        elif _begins_like_a_call(text):
            self._held[delta.index] = text
            text = ""
        else:
            self._passed.add(delta.index)
        return replace(delta, text=text)


def _begins_like_a_call(text: str) -> bool:
    begun = text.lstrip()
    return any(one.startswith(begun) or begun.startswith(one) for one in _OPENINGS)


def _values(text: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a text, those in lists too. Raises ValueError where there is anything
    else."""
    place, decoder = _past_marks(text, 0), json.JSONDecoder()
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        place = _past_marks(text, place)
        for one in cast("list[object]", value if isinstance(value, list) else [value]):
            if not isinstance(one, dict):
                raise ValueError(f"not an object: {one!r}")
            yield cast("dict[str, Any]", one)


def _past_marks(text: str, place: int) -> int:
    found = _AROUND.match(text, place)
    return found.end() if found else place
