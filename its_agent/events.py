"""What a solve tells while it runs. Every event says what is spent and held at that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from its_agent.budget import Usage
from its_agent.ledger import Ledger
from its_agent.solution import Candidate, Solution, Verdict
from its_agent.tool_calls import CallPiece


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The state of the budget when something happened."""

    spent: Usage
    held: Usage
    elapsed: float
    """Seconds since the solve began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated(Event):
    """A source of difficulty has spoken."""

    source: str
    success: float
    """Probability that one sample is right, after this source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed(Event):
    """The policy has chosen what to buy next, or to stop."""

    path: str
    arm: str
    samples: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generating(Event):
    """Tokens are arriving."""

    purpose: str
    running: int
    """Samples of this request that are still being generated."""
    tokens: int
    """Tokens this request has generated so far."""
    index: int = 0
    """The sample that has got longer."""
    text: str = ""
    """What it has got longer by."""
    calls: tuple[CallPiece, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying(Event):
    """A request failed and is made again."""

    purpose: str
    wait: float
    """Seconds until then."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent(Event):
    """A request was settled."""

    purpose: str
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled(Event):
    """A candidate is there."""

    candidate: Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Event):
    """The verifier has weighed all candidates so far."""

    verdict: Verdict
    votes: tuple[tuple[str, float], ...]
    """Answers with their share of the vote, the leader first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved(Event):
    """The solve has ended."""

    solution: Solution


Sink: TypeAlias = Callable[[Event], None]


class Emitter:
    """Stamps events with the state of the ledger and hands them to every sink."""

    def __init__(self, ledger: Ledger, sinks: tuple[Sink, ...] = ()) -> None:
        self._ledger = ledger
        self._sinks = sinks

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._sinks)

    def __call__(self, kind: type[Event], **details: Any) -> None:
        """Build an event of this kind and deliver it, where anybody listens."""
        if not self.is_heard:
            return
        event = kind(
            spent=self._ledger.spent,
            held=self._ledger.held,
            elapsed=self._ledger.elapsed,
            **details,
        )
        for sink in self._sinks:
            sink(event)
