"""A solution in OpenAI's words: a chat completion, its chunks, and its usage."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from its_agent.budget import Usage
from its_agent.errors import ItsAgentError, SolveFailed
from its_agent.events import Solved
from its_agent.integrations.gateway.order import Order
from its_agent.integrations.gateway.redact import redacted
from its_agent.integrations.gateway.refusal import RETRY_SECONDS, Refusal, lost
from its_agent.integrations.stops import cut
from its_agent.receipt import Receipt
from its_agent.solution import Candidate, Solution
from its_agent.tool_calls import ToolCall, call_id

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the client gets to read; `finish_reason` is "length" where the text was cut off."""

    text: str
    calls: tuple[ToolCall, ...]
    """Each with an id."""
    finish_reason: FinishReason
    hidden_tokens: int
    """Generated tokens that are no part of the text."""


def reply_of(solved: Solved, order: Order) -> Reply:
    """The text of the answer: JSON alone where that was asked for, and of a solve without an
    answer what the first cut-off sample said; and the calls in place of it, but for those that
    were cut off.

    Raises Refusal where there is no text, none that fits the schema, or only a part of one as the
    engine was lost.
    """
    solution = solved.solution
    if solution.answer is None and solution.receipt.stopped_because == "backend_lost":
        raise lost(solution.receipt)
    candidate = _shown(solution)
    if candidate is None:
        raise _nothing(solution.receipt)
    text = candidate.text
    if order.problem.schema is not None and candidate.finish == "stop":
        if solution.answer is None:
            raise _no_fit(solution.receipt)
        text = solution.answer
    kept = cut(text, order.stop)
    whole = len(kept) < len(text) or candidate.finish == "stop"
    calls = () if solved.is_cut else solved.calls
    return Reply(
        text=kept,
        calls=tuple(replace(one, id=call_id(one.id)) for one in calls),
        finish_reason="tool_calls" if calls else "stop" if whole else "length",
        hidden_tokens=_hidden(solution, candidate),
    )


def _shown(solution: Solution) -> Candidate | None:
    if solution.answer is not None:
        said = [c for c in solution.candidates if c.text == solution.text]
        chosen = (c for c in said if c.answer == solution.answer)
        return next(chosen, next(iter(said), None))
    cut_off = (c for c in solution.candidates if c.finish != "stop")
    return next(cut_off, next(iter(solution.candidates), None))


def _hidden(solution: Solution, candidate: Candidate) -> int:
    made, thought = (
        solution.receipt.spent.completion_tokens,
        candidate.signals.get("thinking_tokens"),
    )
    return max(0, made - candidate.usage.completion_tokens + int(thought or 0))


def _nothing(receipt: Receipt) -> Refusal:
    return Refusal(
        503,
        "the budget ended before the first sample; ask for a larger one",
        code="nothing_sampled",
        retry_after=RETRY_SECONDS,
        receipt=receipt,
    )


def _no_fit(receipt: Receipt) -> Refusal:
    return Refusal(
        502,
        "no sample is JSON that fits response_format; ask again, or with a larger budget",
        code="no_valid_json",
        receipt=receipt,
    )


def usage_of(spent: Usage, *, hidden: int) -> dict[str, Any]:
    """Everything that was used, once: prompts and tokens of all samples and judges."""
    return {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "total_tokens": spent.prompt_tokens + spent.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": spent.cached_prompt_tokens},
        "completion_tokens_details": {"reasoning_tokens": hidden},
    }


def calls_of(reply: Reply) -> list[dict[str, Any]]:
    """The calls in OpenAI's form."""
    return [
        {
            "id": one.id,
            "type": "function",
            "function": {"name": one.name, "arguments": one.arguments},
        }
        for one in reply.calls
    ]


def its_of(solved: Solved) -> dict[str, Any]:
    """What only this gateway tells of a solve."""
    solution = solved.solution
    return {
        "answer": None if solved.calls else solution.answer,
        "status": solution.status,
        "confidence": solution.confidence,
        "reasons": list(solution.reasons),
        "stopped_because": solution.receipt.stopped_because,
        "receipt": redacted(solution.receipt),
    }


@dataclass(slots=True, kw_only=True)
class Ended:
    """How the solves of a request have ended so far: answers, and what kept the others from one."""

    order: Order
    replies: dict[int, tuple[Solved, Reply]] = field(
        default_factory=dict[int, "tuple[Solved, Reply]"]
    )
    """By the number of the choice."""
    failures: list[ItsAgentError] = field(default_factory=list[ItsAgentError])

    def take(self, choice: int, solved: Solved) -> Reply:
        """Note an answer. Raises the Refusal of a solve that has none."""
        reply = reply_of(solved, self.order)
        self.replies[choice] = (solved, reply)
        return reply

    def fail(self, choice: int, error: ItsAgentError) -> None:
        """Note that there is no answer, or none that can be told."""
        self.replies.pop(choice, None)
        self.failures.append(error)

    def check(self) -> None:
        """Raise what failed first, unless there is an answer."""
        if self.failures and not self.replies:
            raise self.failures[0]

    @property
    def usage(self) -> dict[str, Any]:
        """What all solves used, those that failed included."""
        lost = [receipt.spent for one in self.failures if (receipt := _receipt(one)) is not None]
        spent = [solved.solution.receipt.spent for solved, _ in self.replies.values()]
        hidden = [reply.hidden_tokens for _, reply in self.replies.values()]
        hidden += [one.completion_tokens for one in lost]
        return usage_of(sum([*spent, *lost], Usage()), hidden=sum(hidden))


def _receipt(error: ItsAgentError) -> Receipt | None:
    return error.receipt if isinstance(error, (SolveFailed, Refusal)) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer, or several, on the way to the client."""

    order: Order
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, ended: Ended) -> dict[str, Any]:
        """The answers in one object. Raises what failed first, where there is none."""
        ended.check()
        choices = [
            self._message(choice, reply) | self._its_of_one(solved)
            for choice, (solved, reply) in sorted(ended.replies.items())
        ]
        told = {**self._head("chat.completion"), "choices": choices, "usage": ended.usage}
        return told | self._its(ended)

    def piece(self, choice: int, delta: dict[str, Any]) -> str:
        """A chunk of an answer."""
        return self._chunk([_choice(choice, delta, None)])

    def end(self, choice: int, solved: Solved, reply: Reply) -> str:
        """The chunk that says how an answer ended."""
        told = _choice(choice, {}, reply.finish_reason)
        if self.order.choices > 1:
            return self._chunk([told | self._its_of_one(solved)])
        return self._chunk([told], self._told(solved))

    def usage(self, ended: Ended) -> str:
        """The last chunk, if it was asked for."""
        return self._chunk([], {"usage": ended.usage}) if self.order.include_usage else ""

    def _message(self, choice: int, reply: Reply) -> dict[str, Any]:
        said: dict[str, Any] = {"content": reply.text, "refusal": None}
        if reply.calls:
            said = {"content": reply.text or None, "refusal": None, "tool_calls": calls_of(reply)}
        return {
            "index": choice,
            "message": {"role": "assistant", **said},
            "logprobs": None,
            "finish_reason": reply.finish_reason,
        }

    def _its(self, ended: Ended) -> dict[str, Any]:
        """Of a lone answer, beside it."""
        if self.order.choices > 1:
            return {}
        return self._told(*(solved for solved, _ in ended.replies.values()))

    def _its_of_one(self, solved: Solved) -> dict[str, Any]:
        """Of one among several, in its choice."""
        return self._told(solved) if self.order.choices > 1 else {}

    def _told(self, solved: Solved) -> dict[str, Any]:
        return {"its": its_of(solved)} if self.order.receipt else {}

    def _chunk(self, choices: list[Any], more: dict[str, Any] | None = None) -> str:
        usage = {"usage": None} if self.order.include_usage else {}
        head = self._head("chat.completion.chunk")
        return event({**head, "choices": choices, **usage, **(more or {})})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.order.model,
        }


def event(content: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(content)}\n\n"


def _choice(choice: int, delta: dict[str, Any], finish: FinishReason | None) -> dict[str, Any]:
    return {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish}
