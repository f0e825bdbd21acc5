"""The values of a solve: Problem in, Candidates on the way, Verdict and Solution out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from its_agent.budget import Usage
from its_agent.errors import InvalidProblem
from its_agent.receipt import Receipt

if TYPE_CHECKING:
    from rich.console import RenderableType

Message: TypeAlias = Mapping[str, Any]
"""A chat message as the engine reads it: at least `role` and `content`."""

Exemplar: TypeAlias = tuple[str, str]
"""A question and its worked answer, as the model is to answer others."""

AnswerType = Literal["number", "math", "choice", "text", "json"]
Status = Literal["verified", "agreed", "best_effort", "abstained"]
Finish = Literal["stop", "length", "aborted"]

MAX_PROBLEM_CHARACTERS = 1_000_000
_SHORT = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be solved: chat messages, and what is known of the answer's form.

    Raises InvalidProblem when there is no question in it, or more than a million characters.
    """

    messages: Sequence[Message]
    _: KW_ONLY
    answer_type: AnswerType | None = None
    """None reads the type off the problem's text."""
    schema: Mapping[str, Any] | None = None
    """JSON schema of the answer; makes the answer type "json"."""
    tests: Sequence[str] = ()
    """Lines of Python that a right program passes: the answer is run with them in a sandbox."""
    exemplars: Sequence[Exemplar] = ()
    """Shown before the question (few-shot, arXiv 2005.14165), in place of the agent's own."""

    def __post_init__(self) -> None:
        _check_messages(self.messages)
        flaw = flaw_of(self.exemplars)
        if flaw is not None:
            raise InvalidProblem(flaw)
        allowed = get_args(AnswerType)
        if self.answer_type is not None and self.answer_type not in allowed:
            raise InvalidProblem(
                f"unknown answer_type {self.answer_type!r}; allowed: {', '.join(allowed)}, or None"
            )

    @classmethod
    def of(cls, value: str | Sequence[Message] | Problem) -> Problem:
        """Read a problem: a Problem, a string, or a list of chat messages."""
        if isinstance(value, Problem):
            return value
        if isinstance(value, str):
            return cls([{"role": "user", "content": value}])
        return cls(tuple(value))

    @property
    def question(self) -> str:
        """The text of the last user message."""
        return question_in(self.messages)


def question_in(messages: Sequence[Message]) -> str:
    """The text of the last user message of a conversation that has one."""
    return next(str(m["content"]) for m in reversed(messages) if m["role"] == "user")


def flaw_of(exemplars: object) -> str | None:
    """Say what keeps exemplars from being pairs of a question and an answer; None for nothing."""
    if isinstance(exemplars, str) or not isinstance(exemplars, Sequence):
        return f"exemplars must be a list of (question, answer), got {exemplars!r}"
    for position, exemplar in enumerate(cast("Sequence[object]", exemplars)):
        if not _is_pair_of_texts(exemplar):
            return (
                f"exemplar {position} must be a question and an answer, two texts that are not "
                f"empty, got {exemplar!r}"
            )
    return None


def _is_pair_of_texts(value: object) -> bool:
    if not isinstance(value, (tuple, list)):
        return False
    parts = cast("Sequence[object]", value)
    return len(parts) == 2 and all(isinstance(part, str) and part.strip() for part in parts)


def _check_messages(messages: Sequence[Message]) -> None:
    for position, message in enumerate(messages):
        if not {"role", "content"} <= message.keys():
            raise InvalidProblem(
                f"message {position} needs 'role' and 'content', got the keys {sorted(message)}"
            )
    questions = [m["content"] for m in messages if m["role"] == "user"]
    if not questions or not str(questions[-1] or "").strip():
        raise InvalidProblem("the problem is empty; give a question as text or a user message")
    size = sum(len(str(m["content"])) for m in messages)
    if size > MAX_PROBLEM_CHARACTERS:
        raise InvalidProblem(
            f"the problem has {size:,} characters, at most {MAX_PROBLEM_CHARACTERS:,} are taken; "
            "shorten it or split it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One sampled solution. Without an `answer` (missing, or cut off) it never votes."""

    id: str
    text: str
    answer: str | None
    path: str
    strategy: str
    """The arm that made it: prompt strategy and temperature."""
    finish: Finish
    usage: Usage
    """Its own generated tokens, of all turns; the first of a request also carries the prompt."""
    model: str = ""
    """The name of the backend that made it, where the agent has several."""
    turns: tuple[Message, ...] = ()
    """What was said before the text where tools were used: their calls, and what came of them."""
    thinking: str = ""
    """What a reasoning model thought before it; never a part of the text."""
    mean_logprob: float | None = None
    """Mean log-probability of its tokens under the model."""
    signals: Mapping[str, float] = field(default_factory=dict[str, float])
    """What else is known of how sure the model was, by name."""
    score: float | None = None
    """What selection ranked it by: the weight of its vote, or its mean log-probability."""
    confidence: float = 0.0
    """Probability that its answer is right, as far as the evidence goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the verifier made of all candidates so far."""

    candidate_id: str | None
    answer: str | None
    confidence: float
    status: Status
    settled: bool
    """Further votes would not change the answer."""
    votes: int
    """Candidates that gave this answer."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The best answer, how sure it is and why, everything that was sampled, and the receipt."""

    answer: str | None
    text: str
    confidence: float
    status: Status
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    receipt: Receipt

    def __repr__(self) -> str:
        receipt = self.receipt
        limit = receipt.budget.compute
        spent = f"{receipt.spent.compute:,}" + ("" if limit is None else f" of {limit:,}")
        return (
            f"Solution(answer={_short(self.answer)}, confidence={self.confidence:.2f}, "
            f"status={self.status!r}, spent={spent!r}, "
            f"stopped_because={receipt.stopped_because!r})"
        )

    def __rich__(self) -> RenderableType:
        """What `rich.print` shows: the answer, how sure it is, and what was spent on what."""
        from its_agent.solution_table import solution_table

        return solution_table(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from its_agent.solution_html import solution_html

        return solution_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `json.dumps` takes."""
        return {
            "answer": self.answer,
            "text": self.text,
            "confidence": self.confidence,
            "status": self.status,
            "reasons": list(self.reasons),
            "candidates": [asdict(c) for c in self.candidates],
            "receipt": self.receipt.to_dict(),
        }

    def to_json(self) -> str:
        """Return the solution as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False)


def _short(answer: str | None) -> str:
    said = repr(answer)
    return said if len(said) <= _SHORT else f"{said[: _SHORT - 1]}…"
