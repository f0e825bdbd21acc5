"""OpenTelemetry: a solve is a span, its requests are spans below it, with what they used."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode
from traced import PLAIN_QUESTION, wavering

from its_agent.agent import Agent
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import BackendLost, SolveFailed
from its_agent.integrations import ChatITS
from its_agent.integrations.otel import OpenTelemetrySpans
from its_agent.solution import Solution
from its_agent.tool_calls import ToolCall
from its_agent.tools import read_only


class Traced:
    """A provider of its own, and what it exports."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    async def solve(
        self, backend: ScriptedBackend | None = None, *, with_texts: bool = False
    ) -> Solution:
        spans = OpenTelemetrySpans(self.provider, with_texts=with_texts)
        backend = backend or ScriptedBackend(wavering, model="tiny")
        async with Agent(backend, on_event=spans) as agent:
            return await agent.asolve(PLAIN_QUESTION, max_compute_budget=2000)


def of(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {})[name]


async def test_a_solve_is_one_invoke_agent_span_with_its_usage() -> None:
    traced = Traced()
    solution = await traced.solve()
    (root,) = traced.named("invoke_agent its_agent")
    spent = solution.receipt.spent
    assert root.kind == SpanKind.INTERNAL
    assert root.parent is None
    assert of(root, "gen_ai.operation.name") == "invoke_agent"
    assert of(root, "gen_ai.request.model") == "tiny"
    assert of(root, "gen_ai.usage.input_tokens") == spent.prompt_tokens
    assert of(root, "gen_ai.usage.output_tokens") == spent.completion_tokens
    assert of(root, "its_agent.run.id") == solution.receipt.run_id
    assert of(root, "its_agent.budget.compute") == 2000
    assert of(root, "its_agent.stopped_because") == solution.receipt.stopped_because
    marked = [event.name for event in root.events]
    assert marked.count("its_agent.judged") == len(solution.receipt.steps)
    assert "its_agent.routed" in marked


async def test_every_request_is_a_chat_span_below_it_and_they_add_up() -> None:
    traced = Traced()
    solution = await traced.solve()
    (root,) = traced.named("invoke_agent its_agent")
    chats = traced.named("chat tiny")
    assert len(chats) == solution.receipt.spent.requests
    for chat in chats:
        assert chat.kind == SpanKind.CLIENT
        assert chat.parent is not None
        assert root.context is not None
        assert chat.parent.span_id == root.context.span_id
        assert of(chat, "gen_ai.operation.name") == "chat"
        assert of(chat, "gen_ai.response.finish_reasons")
    for name, total in (
        ("gen_ai.usage.input_tokens", solution.receipt.spent.prompt_tokens),
        ("gen_ai.usage.output_tokens", solution.receipt.spent.completion_tokens),
        ("its_agent.compute", solution.receipt.spent.compute),
    ):
        assert sum(int(str(of(chat, name))) for chat in chats) == total


async def test_all_names_are_those_of_the_conventions() -> None:
    traced = Traced()
    await traced.solve(with_texts=True)
    known = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}
    used = {name for span in traced.spans for name in span.attributes or {}}
    own = {name for name in used if name.startswith("its_agent.")}
    assert used - own <= known


async def test_texts_are_told_only_where_they_are_asked_for() -> None:
    quiet, open_hearted = Traced(), Traced()
    await quiet.solve()
    await open_hearted.solve(with_texts=True)
    assert PLAIN_QUESTION not in str([span.to_json() for span in quiet.spans])
    chat = open_hearted.named("chat tiny")[-1]
    asked = json.loads(str(of(chat, "gen_ai.input.messages")))
    assert PLAIN_QUESTION in asked[-1]["parts"][0]["content"]
    said = json.loads(str(of(chat, "gen_ai.output.messages")))
    assert said[0]["finish_reason"] == "stop"


async def test_the_span_of_a_host_is_the_parent() -> None:
    traced = Traced()
    tracer = traced.provider.get_tracer("host")
    with tracer.start_as_current_span("request") as host:
        await traced.solve()
    (root,) = traced.named("invoke_agent its_agent")
    assert root.parent is not None
    assert root.parent.span_id == host.get_span_context().span_id


@pytest.mark.parametrize("is_down", [False, True])
async def test_an_answer_that_calls_tools_is_a_span_too(is_down: bool) -> None:
    def look(at: str) -> str:
        """Look at something."""
        return at

    traced = Traced()
    call = ToolCall(id="1", name="look", arguments='{"at": "x"}')
    line = BackendLost("it went away") if is_down else Reply(text="", calls=(call,))
    backend = ScriptedBackend(lambda request, index: line, model="tiny")
    model = ChatITS(backend, on_event=OpenTelemetrySpans(traced.provider)).bind_tools([look])
    with pytest.raises(SolveFailed) if is_down else nullcontext():
        await model.ainvoke("Look!")
    (root,) = traced.named("invoke_agent its_agent")
    assert (root.status.status_code == StatusCode.ERROR) is is_down
    assert traced.named("chat tiny")


async def test_a_failure_is_an_error_with_its_type() -> None:
    traced = Traced()
    lost = ScriptedBackend([BackendLost("it went away")] * 99, model="tiny")
    with pytest.raises(SolveFailed):
        await traced.solve(lost)
    (root,) = traced.named("invoke_agent its_agent")
    assert root.status.status_code == StatusCode.ERROR
    assert of(root, "error.type") == "SolveFailed"
    assert {of(chat, "error.type") for chat in traced.named("chat tiny")} == {"BackendLost"}


async def test_a_cancelled_solve_leaves_no_span_open() -> None:
    traced = Traced()
    backend = ScriptedBackend(wavering, model="tiny", delay=30)
    solving = asyncio.create_task(traced.solve(backend))
    while not backend.requests:
        await asyncio.sleep(0.01)
    solving.cancel()
    await asyncio.wait([solving])
    (root,) = traced.named("invoke_agent its_agent")
    assert of(root, "error.type") == "CancelledError"
    assert traced.named("chat tiny")


async def test_solves_side_by_side_have_traces_of_their_own() -> None:
    traced = Traced()
    spans = OpenTelemetrySpans(traced.provider)
    backend = ScriptedBackend(wavering, model="tiny", delay=0.001)
    async with Agent(backend, on_event=spans) as agent:
        await agent.abatch([PLAIN_QUESTION] * 3, max_compute_budget=1500)
    roots = traced.named("invoke_agent its_agent")
    assert len(roots) == 3
    for root in roots:
        assert root.context is not None
        own = [s for s in traced.spans if s.context and s.context.trace_id == root.context.trace_id]
        assert {of(span, "its_agent.run.id") for span in own} == {of(root, "its_agent.run.id")}


@read_only
def look(book: str) -> str:
    """Look a book up."""
    time.sleep(0.01)
    if book == "burnt":
        raise LookupError(book)
    return "42"


def looking(request: Request, index: int) -> Reply:
    """Looks two books up, one of them twice, and then answers."""
    heard = [message for message in request.messages if message["role"] == "tool"]
    if len(heard) == 3:
        return Reply(text=r"It is \boxed{42}.")
    book = ("good", "good", "burnt")[len(heard)]
    call = ToolCall(id=f"c{len(heard)}", name="look", arguments=json.dumps({"book": book}))
    return Reply(text="", calls=(call,))


@pytest.mark.parametrize("with_texts", [False, True])
async def test_every_run_of_a_tool_is_a_span_below_the_solve(with_texts: bool) -> None:
    traced = Traced()
    spans = OpenTelemetrySpans(traced.provider, with_texts=with_texts)
    backend = ScriptedBackend(looking)
    async with Agent(backend, tools=[look], strategy="single_pass", on_event=spans) as agent:
        await agent.asolve(PLAIN_QUESTION, max_compute_budget=4000)
    (root,) = traced.named("invoke_agent its_agent")
    good, burnt = traced.named("execute_tool look")
    for span in (good, burnt):
        assert span.parent is not None
        assert root.context is not None
        assert span.parent.span_id == root.context.span_id
        assert of(span, "gen_ai.operation.name") == "execute_tool"
        assert of(span, "its_agent.tool.acts") is False
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.end_time - span.start_time >= 9_000_000
    assert burnt.status.status_code == StatusCode.ERROR
    assert good.status.status_code == StatusCode.UNSET
    told = (good.attributes or {}).get("gen_ai.tool.call.result")
    assert told == ("42" if with_texts else None)
