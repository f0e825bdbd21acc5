"""OpenTelemetrySpans: an `on_event` sink that makes spans of a solve and of its requests.

It follows OpenTelemetry's semantic conventions for generative AI: a solve is an `invoke_agent`
span, every request below it a `chat` span with the `gen_ai.*` attributes of its sampling and its
usage, every run of a tool an `execute_tool` span. What the conventions have no name for is under
`its_agent.*`.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from its_agent.errors import MissingExtra
from its_agent.events import (
    Event,
    Failed,
    Judged,
    Requested,
    Retrying,
    Routed,
    Solved,
    Spent,
    Started,
    ToolRan,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

_AGENT = "its_agent"


@dataclass(slots=True)
class _Run:
    """The spans of one solve that are still open."""

    span: Span
    chats: dict[int, Span] = field(default_factory=dict[int, "Span"])


class OpenTelemetrySpans:
    """Makes spans of all solves that it hears, below the span that a solve is called in.

    Texts of prompts and answers are left out unless `with_texts` is set, as the conventions ask.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, *, with_texts: bool = False
    ) -> None:
        """Without a provider it is the global one. Raises MissingExtra without OpenTelemetry."""
        if find_spec("opentelemetry") is None:
            raise MissingExtra(
                "OpenTelemetry is not installed. "
                "Install it with: python -m pip install 'its-agent[otel]'"
            )
        from opentelemetry.trace import get_tracer

        self._tracer: Tracer = get_tracer(_AGENT, tracer_provider=tracer_provider)
        self._with_texts = with_texts
        self._runs: dict[str, _Run] = {}

    def __call__(self, event: Event) -> None:
        """Begin, end or mark a span."""
        if isinstance(event, Started):
            self._runs[event.run_id] = _Run(self._begun(event))
            return
        run = self._runs.get(event.run_id)
        if run is None:
            return
        match event:
            case Requested():
                run.chats[event.request] = self._asked(run, event)
            case Spent(request=int(number)) if number in run.chats:
                self._paid(run.chats.pop(number), event)
            case ToolRan(again=False):
                self._tool_ran(run, event)
            case Routed() | Judged() | Retrying():
                _mark(run.span, event)
            case Solved() | Failed():
                self._ended(self._runs.pop(event.run_id), event)
            case _:
                pass

    def _begun(self, event: Started) -> Span:
        from opentelemetry.trace import SpanKind

        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": _AGENT,
            "gen_ai.provider.name": event.engine.backend,
            "gen_ai.request.model": event.engine.model,
            "its_agent.run.id": event.run_id,
            "its_agent.strategy": event.strategy,
            **_budget(event),
        }
        return self._tracer.start_span(
            f"invoke_agent {_AGENT}", kind=SpanKind.INTERNAL, attributes=attributes
        )

    def _asked(self, run: _Run, event: Requested) -> Span:
        from opentelemetry.trace import SpanKind, set_span_in_context

        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": event.model,
            "gen_ai.request.choice.count": event.samples,
            "gen_ai.request.max_tokens": event.max_tokens,
            "gen_ai.request.temperature": event.temperature,
            "gen_ai.request.top_p": event.top_p,
            "its_agent.run.id": event.run_id,
            "its_agent.purpose": event.purpose,
        }
        if event.stop:
            attributes["gen_ai.request.stop_sequences"] = list(event.stop)
        if self._with_texts:
            attributes["gen_ai.input.messages"] = _messages(event)
        return self._tracer.start_span(
            f"chat {event.model}",
            context=set_span_in_context(run.span),
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )

    def _paid(self, span: Span, event: Spent) -> None:
        from opentelemetry.trace import StatusCode

        usage = event.usage
        span.set_attributes(
            {
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cached_prompt_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
                "gen_ai.response.finish_reasons": list(event.finishes),
                "its_agent.compute": usage.compute,
            }
        )
        if self._with_texts:
            span.set_attribute("gen_ai.output.messages", _answers(event))
        if event.failure is not None:
            span.set_attribute("error.type", event.failure.partition(":")[0])
            span.set_status(StatusCode.ERROR, event.failure)
        span.end()

    def _tool_ran(self, run: _Run, event: ToolRan) -> None:
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": event.name,
            "gen_ai.tool.type": "function",
            "its_agent.run.id": event.run_id,
            "its_agent.tool.acts": event.acts,
        }
        if self._with_texts:
            attributes["gen_ai.tool.call.arguments"] = event.arguments
            attributes["gen_ai.tool.call.result"] = event.content
        span = self._tracer.start_span(
            f"execute_tool {event.name}",
            context=set_span_in_context(run.span),
            kind=SpanKind.INTERNAL,
            attributes=attributes,
            start_time=time.time_ns() - round(event.seconds * 1e9),
        )
        if event.failed:
            span.set_attribute("error.type", "tool_error")
            span.set_status(StatusCode.ERROR)
        span.end()

    def _ended(self, run: _Run, event: Solved | Failed) -> None:
        from opentelemetry.trace import StatusCode

        for chat in run.chats.values():
            chat.end()
        run.span.set_attributes(
            {
                "gen_ai.usage.input_tokens": event.spent.prompt_tokens,
                "gen_ai.usage.cache_read.input_tokens": event.spent.cached_prompt_tokens,
                "gen_ai.usage.output_tokens": event.spent.completion_tokens,
                "its_agent.compute": event.spent.compute,
                "its_agent.requests": event.spent.requests,
            }
        )
        if isinstance(event, Failed):
            run.span.set_attribute("error.type", event.error)
            run.span.set_status(StatusCode.ERROR, event.why)
        else:
            run.span.set_attributes(_outcome(event))
        run.span.end()


def _budget(event: Started) -> dict[str, Any]:
    limits = asdict(event.budget).items()
    return {f"its_agent.budget.{name}": limit for name, limit in limits if limit is not None}


def _outcome(event: Solved) -> dict[str, Any]:
    solution = event.solution
    return {
        "its_agent.status": solution.status,
        "its_agent.confidence": solution.confidence,
        "its_agent.stopped_because": solution.receipt.stopped_because,
        "its_agent.candidates": len(solution.candidates),
    }


def _mark(span: Span, event: Routed | Judged | Retrying) -> None:
    """What the graph decided, as an event of the solve's span."""
    match event:
        case Routed():
            where = {"path": event.path, "model": event.model, "arm": event.arm}
            told = {**where, "samples": event.samples, "why": event.why}
        case Judged():
            verdict = event.verdict
            told = {"confidence": verdict.confidence, "votes": verdict.votes}
        case Retrying():
            told = {"why": event.why, "wait": event.wait}
    named: dict[str, Any] = {
        f"its_agent.{name}": value for name, value in told.items() if value != ""
    }
    span.add_event(f"its_agent.{type(event).__name__.lower()}", named)


def _messages(event: Requested) -> str:
    """In the form of the conventions: a role and parts."""
    said = [
        {"role": str(message.get("role")), "parts": [_part(message.get("content"))]}
        for message in event.messages
    ]
    return json.dumps(said, default=str)


def _answers(event: Spent) -> str:
    said = [
        {"role": "assistant", "parts": [_part(text)], "finish_reason": finish}
        for text, finish in zip(event.texts, event.finishes, strict=True)
    ]
    return json.dumps(said, default=str)


def _part(content: object) -> dict[str, object]:
    return {"type": "text", "content": content}
