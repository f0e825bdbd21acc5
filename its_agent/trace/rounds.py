"""The rounds of a solve: route, a path, verify, and route again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from its_agent.budget import Usage
from its_agent.event_lines import tool_call
from its_agent.events import (
    Estimated,
    Event,
    Judged,
    Requested,
    Retrying,
    Routed,
    Sampled,
    Searched,
    Spent,
    ToolRan,
)
from its_agent.receipt import Receipt, Step

Moment = tuple[float, int]


def moment(event: Event) -> Moment:
    """Seconds since the start, and compute units spent."""
    return event.elapsed, event.spent.compute


@dataclass(slots=True, kw_only=True)
class Round:
    """One purchase of the policy, and what the verifier made of it."""

    step: int
    path: str
    arm: str
    """As on the receipt: "MODEL/ARM" where there are several models."""
    why: str
    began: Moment | None = None
    """None for one of before a resumption, of which only the receipt tells."""
    ended: Moment | None = None
    samples: int = 0
    waves: int = 0
    """Waves of a search."""
    candidates: list[str] = field(default_factory=list[str])
    requests: list[int] = field(default_factory=list[int])
    retries: list[str] = field(default_factory=list[str])
    tools: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What was called, and what came of it."""
    spent: int = 0
    outcome: str = ""
    confidence: float | None = None
    success: float | None = None
    """Probability that one sample is right, as it was believed afterwards."""

    def to_plain(self) -> dict[str, Any]:
        """The round as the page reads it."""
        return {name: getattr(self, name) for name in self.__slots__}


def rounds(events: Iterable[Event], receipt: Receipt | None) -> list[Round]:
    """The rounds in their order, those of before a resumption too."""
    played: list[Round] = []
    for event in events:
        if isinstance(event, Routed) and event.path != "stop":
            played.append(_begun(event, step=len(played) + 1))
        elif played:
            _follow(played[-1], event)
    steps = receipt.steps if receipt else ()
    earlier = [_told(step, number) for number, step in enumerate(steps, 1)][
        : max(0, len(steps) - len(played))
    ]
    for number, one in enumerate(played, len(earlier) + 1):
        one.step = number
    for one, step in zip((*earlier, *played), steps, strict=False):
        one.spent, one.outcome = step.spent.compute, step.outcome
    return [*earlier, *played]


def _begun(event: Routed, *, step: int) -> Round:
    return Round(
        step=step,
        path=event.path,
        arm="/".join(part for part in (event.model, event.arm) if part),
        why=event.why,
        samples=event.samples,
        began=moment(event),
    )


def _told(step: Step, number: int) -> Round:
    return Round(step=number, path=step.path, arm=step.arm, why=step.why)


def _tool(event: ToolRan) -> dict[str, Any]:
    return {
        "call": tool_call(event),
        "arguments": event.arguments,
        "content": event.content,
        "failed": event.failed,
        "at": moment(event),
    }


def _follow(played: Round, event: Event) -> None:
    match event:
        case Sampled():
            played.candidates.append(event.candidate.id)
        case Requested():
            played.requests.append(event.request)
        case Retrying():
            played.retries.append(event.why)
        case ToolRan():
            played.tools.append(_tool(event))
        case Searched():
            played.waves += 1
        case Spent(usage=Usage() as usage):
            played.spent += usage.compute
        case Judged():
            played.ended, played.confidence = moment(event), event.verdict.confidence
        case Estimated():
            played.success = event.success
        case _:
            pass
