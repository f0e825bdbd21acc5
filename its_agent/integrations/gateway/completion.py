"""A solution in OpenAI's words: a chat completion, its chunks, and its usage."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from its_agent.integrations.gateway.order import Order
from its_agent.integrations.gateway.redact import redacted
from its_agent.integrations.gateway.refusal import RETRY_SECONDS, Refusal, lost
from its_agent.integrations.stops import cut
from its_agent.receipt import Receipt
from its_agent.solution import Candidate, Solution

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the client gets to read; `finish_reason` is "length" where the text was cut off."""

    text: str
    finish_reason: FinishReason
    hidden_tokens: int
    """Generated tokens that are no part of the text."""


def reply_of(solution: Solution, order: Order) -> Reply:
    """The text of the answer: JSON alone where that was asked for, and of a solve without an
    answer what the first cut-off sample said.

    Raises Refusal where there is no text, none that fits the schema, or only a part of one as the
    engine was lost.
    """
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
    return Reply(
        text=kept,
        finish_reason="stop" if whole else "length",
        hidden_tokens=_hidden(solution, candidate),
    )


def _shown(solution: Solution) -> Candidate | None:
    if solution.answer is not None:
        chosen = (c for c in solution.candidates if c.text == solution.text)
        return next(chosen, None)
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


def usage_of(receipt: Receipt, *, hidden: int) -> dict[str, Any]:
    """Everything that the solve used, once: prompts and tokens of all samples and judges."""
    spent = receipt.spent
    return {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "total_tokens": spent.prompt_tokens + spent.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": spent.cached_prompt_tokens},
        "completion_tokens_details": {"reasoning_tokens": hidden},
    }


def its_of(solution: Solution) -> dict[str, Any]:
    """What only this gateway tells of a solve."""
    return {
        "answer": solution.answer,
        "status": solution.status,
        "confidence": solution.confidence,
        "reasons": list(solution.reasons),
        "stopped_because": solution.receipt.stopped_because,
        "receipt": redacted(solution.receipt),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer on its way to the client."""

    order: Order
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, solution: Solution) -> dict[str, Any]:
        """The answer in one object. Raises Refusal."""
        reply = reply_of(solution, self.order)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply.text, "refusal": None},
            "logprobs": None,
            "finish_reason": reply.finish_reason,
        }
        told = {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": usage_of(solution.receipt, hidden=reply.hidden_tokens),
        }
        return told | self._its(solution)

    def piece(self, delta: dict[str, Any]) -> str:
        """A chunk of the answer."""
        return self._chunk([_choice(delta, None)])

    def end(self, solution: Solution, reply: Reply) -> str:
        """The chunk that says how it ended, and the one with the usage if that was asked for."""
        last = self._chunk([_choice({}, reply.finish_reason)], self._its(solution))
        if not self.order.include_usage:
            return last
        usage = usage_of(solution.receipt, hidden=reply.hidden_tokens)
        return last + self._chunk([], {"usage": usage})

    def _its(self, solution: Solution) -> dict[str, Any]:
        return {"its": its_of(solution)} if self.order.receipt else {}

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


def _choice(delta: dict[str, Any], finish: FinishReason | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
