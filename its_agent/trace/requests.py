"""The requests of a solve: what was asked, what came, what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from its_agent.events import Event, Requested, Spent, Started
from its_agent.solution import Message
from its_agent.trace.rounds import Round, moment

Plain = dict[str, Any]


def requests(events: Sequence[Event], played: Iterable[Round]) -> Plain:
    """The requests in their order, and the messages that they share, each told once."""
    steps = {number: one.step for one in played for number in one.requests}
    shared = _Shared()
    listed: dict[int, Plain] = {}
    for place, event in enumerate(events):
        if isinstance(event, Requested):
            listed[event.request] = _asked(event, steps.get(event.request), shared)
        elif isinstance(event, Spent):
            # What is read and not asked for has no number; numbers of requests are above 0.
            key = -place if event.request is None else event.request
            listed[key] = {**listed.get(key, _unasked(event)), **_paid(event)}
    return {"requests": list(listed.values()), "messages": shared.messages}


def numbered_through(events: Iterable[Event]) -> Iterator[Event]:
    """The events, with numbers that no two requests share: a solve that goes on begins with 1
    again."""
    before = most = 0
    for event in events:
        if isinstance(event, Started):
            before = most
        if isinstance(event, Requested | Spent) and event.request is not None:
            most = max(most, before + event.request)
            yield replace(event, request=before + event.request)
        else:
            yield event


class _Shared:
    """Messages by number; the question comes again with every request."""

    def __init__(self) -> None:
        self.messages: list[Plain] = []
        self._known: dict[str, int] = {}

    def number(self, message: Message) -> int:
        """The number of a message, a new one where it is new."""
        key = json.dumps(message, sort_keys=True, default=str)
        if key not in self._known:
            self._known[key] = len(self.messages)
            self.messages.append(told(message))
        return self._known[key]


def told(message: Message) -> Plain:
    """A message as the page shows it: who says what, calls of tools after the text."""
    content, calls = message.get("content"), message.get("tool_calls")
    said = content if isinstance(content, str) else json.dumps(content, default=str)
    if calls:
        said = "\n".join(part for part in (said, json.dumps(calls, default=str)) if part)
    return {"role": str(message.get("role")), "content": said}


def _asked(event: Requested, step: int | None, shared: _Shared) -> Plain:
    return {
        "number": event.request,
        "purpose": event.purpose,
        "model": event.model,
        "step": step,
        "sent": event.elapsed,
        "samples": event.samples,
        "max_tokens": event.max_tokens,
        "temperature": event.temperature,
        "top_p": event.top_p,
        "stop": list(event.stop),
        "messages": [shared.number(message) for message in event.messages],
        "settled": None,
        "usage": None,
        "texts": [],
        "finishes": [],
        "failure": None,
    }


def _unasked(event: Spent) -> Plain:
    return {
        "number": event.request,
        "purpose": event.purpose,
        "model": "",
        "step": None,
        "sent": max(0.0, event.elapsed - event.usage.seconds),
        "samples": 0,
        "messages": [],
    }


def _paid(event: Spent) -> Plain:
    return {
        "settled": event.elapsed,
        "at": moment(event),
        "usage": asdict(event.usage),
        "texts": list(event.texts),
        "finishes": list(event.finishes),
        "failure": event.failure,
    }
