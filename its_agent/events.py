"""What a solve tells while it runs. Every event says what is spent and held at that moment."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

from its_agent.budget import Budget, Usage
from its_agent.ledger import Ledger
from its_agent.receipt import Fingerprint
from its_agent.solution import AnswerType, Candidate, Finish, Message, Solution, Verdict
from its_agent.tool_calls import CallPiece, ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The state of the budget when something happened."""

    spent: Usage
    held: Usage
    elapsed: float
    """Seconds since the solve began."""
    run_id: str = ""
    """Names the solve, as its receipt does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """A solve has begun, or goes on after a kill or a grant."""

    messages: tuple[Message, ...]
    """The problem."""
    answer_type: AnswerType
    strategy: str
    budget: Budget
    engine: Fingerprint


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
    model: str = ""
    """Whose samples, where there are several models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested(Event):
    """A request has its reservation and is sent."""

    request: int
    """Its number since the solve began or went on; a try again has a new one."""
    purpose: str
    model: str
    messages: tuple[Message, ...]
    samples: int
    max_tokens: int
    """Most tokens of each sample."""
    temperature: float
    top_p: float
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generating(Event):
    """Tokens are arriving."""

    request: int
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

    request: int | None
    """None for work that is read and not asked for, such as log-probabilities of a text."""
    purpose: str
    usage: Usage
    texts: tuple[str, ...] = ()
    """Its samples as they came, thinking before text."""
    finishes: tuple[Finish, ...] = ()
    """How each of them ended."""
    failure: str | None = None
    """The error that it ended with: its class, and what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled(Event):
    """A candidate is there."""

    candidate: Candidate
    node: str | None = None
    """The node of the search whose whole text it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialSolution:
    """A node of a search tree; `text` is its last step only."""

    id: str
    """Its place in the tree: "0.2.1" is the second child of the root's third child."""
    text: str
    score: float | None
    """What the search was told that it is worth."""
    done: bool
    """Its solution ends here."""
    failed: bool
    """It never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched(Event):
    """A wave of a search is there."""

    step: int
    """The purchase that the search is, from 1."""
    algorithm: str
    nodes: tuple[PartialSolution, ...]
    """Those that are new."""
    frontier: tuple[str, ...]
    """Nodes that the search may go on from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRan(Event):
    """A tool was called, and has said something."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""
    content: str
    failed: bool
    acts: bool = False
    """It may have changed something: the call has won a vote."""
    again: bool = False
    """It did not run anew: this is what an equal call has come to."""
    attempts: int = 1
    """How many attempts, with the same conversation so far, were told of it together."""
    seconds: float = 0.0
    """How long it ran."""


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
    calls: tuple[ToolCall, ...] = ()
    """Tools that it asks for in place of an answer."""
    is_cut: bool = False
    """The calls were not written to their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The solve has ended without a solution, by an error or a cancellation."""

    error: str
    """The name of its class."""
    why: str


Sink: TypeAlias = Callable[[Event], None]


def new_run_id() -> str:
    """A name that no other solve has."""
    return secrets.token_hex(8)


class Emitter:
    """Stamps events with the state of the ledger and hands them to every sink."""

    def __init__(self, ledger: Ledger, sinks: tuple[Sink, ...] = (), *, run_id: str = "") -> None:
        self.run_id = run_id
        self._ledger = ledger
        self._sinks = sinks
        self._requests = count(1)

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._sinks)

    def number(self) -> int:
        """The next request's number."""
        return next(self._requests)

    def __call__(self, kind: type[Event], **details: Any) -> None:
        """Build an event of this kind and deliver it, where anybody listens."""
        if not self.is_heard:
            return
        event = kind(
            spent=self._ledger.spent,
            held=self._ledger.held,
            elapsed=self._ledger.elapsed,
            run_id=self.run_id,
            **details,
        )
        for sink in self._sinks:
            sink(event)


@contextmanager
def failure_told(emit: Emitter) -> Generator[None]:
    """Tell of the error or the cancellation that ends a solve, and let it pass."""
    try:
        yield
    except BaseException as error:
        emit(Failed, error=type(error).__name__, why=str(error))
        raise
