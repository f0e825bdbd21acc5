"""Any LangChain chat model as a backend: what it is asked, how it is counted, how it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from scripted_server import Quirk, served

from its_agent import Agent
from its_agent.backends.langchain import LangChainBackend
from its_agent.backends.protocol import Backend, Delta, Request, StreamItem, Tokens
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import (
    BackendError,
    BackendGarbled,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    InvalidOption,
    PromptTooLong,
)

QUESTION = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How many eggs are there in 3 boxes of 6?"},
)


class Speaker(BaseChatModel):
    """Says its pieces in order; an error among them is raised, and after None it hangs."""

    pieces: list[Any]
    asked: list[dict[str, Any]] = []
    cancelled: list[bool] = []
    logprobs: bool | None = None

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.append({"messages": messages, "stop": stop, **kwargs})
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                await self._hang()
            else:
                yield ChatGenerationChunk(message=piece)

    async def _hang(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(True)
            raise


class Overloaded(Exception):
    """What an integration raises for an error status."""

    status_code = 529


def usage(prompt: int, completion: int, cached: int | None = None) -> UsageMetadata:
    told = UsageMetadata(
        input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion
    )
    if cached is not None:
        told["input_token_details"] = {"cache_read": cached}
    return told


def piece(text: str = "", counted: UsageMetadata | None = None, **metadata: Any) -> AIMessageChunk:
    return AIMessageChunk(content=text, usage_metadata=counted, response_metadata=metadata)


def openai_logprobs(*values: float) -> dict[str, Any]:
    return {"content": [{"token": "x", "logprob": p, "top_logprobs": []} for p in values]}


def asking(**changes: Any) -> Request:
    return replace(Request(messages=QUESTION, max_tokens=100), **changes)


async def streamed(chat_model: BaseChatModel, **changes: Any) -> list[StreamItem]:
    async with aclosing(LangChainBackend(chat_model).stream(asking(**changes))) as items:
        return [item async for item in items]


async def said(*pieces: Any, **changes: Any) -> list[StreamItem]:
    return await streamed(Speaker(pieces=list(pieces)), **changes)


def last_delta(items: list[StreamItem]) -> Delta:
    return [item for item in items if isinstance(item, Delta)][-1]


def text_of(items: list[StreamItem]) -> str:
    return "".join(item.text for item in items if isinstance(item, Delta))


def total(items: list[StreamItem]) -> Tokens | None:
    return items[-1] if isinstance(items[-1], Tokens) else None


def chat_openai(url: str, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{url}/v1",
        api_key=SecretStr("EMPTY"),
        model="scripted",
        stream_usage=True,
        max_retries=0,
        **options,
    )


async def test_the_text_comes_in_pieces_and_then_the_count() -> None:
    items = await said(
        piece("Eigh"), piece("teen."), piece(finish_reason="stop"), piece("", usage(30, 4, 8))
    )
    assert isinstance(LangChainBackend(Speaker(pieces=[])), Backend)
    assert [item.text for item in items if isinstance(item, Delta)] == ["Eigh", "teen.", ""]
    assert last_delta(items) == Delta(index=0, tokens=4, finish="stop")
    assert total(items) == Tokens(prompt=30, cached_prompt=8, completion=4)


async def test_the_model_is_asked_with_the_requests_settings() -> None:
    model = Speaker(pieces=[piece("18")])
    await streamed(model, temperature=0.3, max_tokens=77, stop=("\n\n",))
    (asked,) = model.asked
    assert [message.type for message in asked.pop("messages")] == ["system", "human"]
    assert asked == {"temperature": 0.3, "max_tokens": 77, "stop": ["\n\n"]}


@pytest.mark.parametrize(
    "counts",
    [
        (usage(30, 0), usage(0, 4)),
        (usage(0, 1), usage(30, 3)),
        (usage(30, 1), usage(30, 3), usage(30, 4)),
        (usage(30, 4), usage(30, 4)),
    ],
    ids=["the prompt first", "the prompt last", "all so far", "all twice"],
)
async def test_no_token_is_counted_twice_however_the_pieces_tell_them(
    counts: tuple[UsageMetadata, ...],
) -> None:
    items = await said(*(piece("words", counted) for counted in counts))
    assert total(items) == Tokens(prompt=30, cached_prompt=0, completion=4)


@pytest.mark.parametrize("pieces", [[piece("18 eggs")], [piece("18 eggs", usage(0, 0))]])
async def test_without_usage_there_is_no_count_but_an_estimate(pieces: list[Any]) -> None:
    items = await said(*pieces)
    assert total(items) is None
    assert last_delta(items) == Delta(index=0, tokens=5, estimated=True, finish="stop")


async def test_an_estimate_stays_within_what_was_asked_for() -> None:
    items = await said(piece("word " * 100), max_tokens=100)
    assert last_delta(items).tokens == 100


async def test_more_tokens_than_asked_for_are_told() -> None:
    items = await said(piece("word " * 100, usage(30, 120)), max_tokens=100)
    assert last_delta(items).tokens == 120


async def test_logprobs_are_told_and_count_the_tokens() -> None:
    items = await said(
        piece("Eighteen", logprobs=openai_logprobs(-0.1, -0.2)),
        piece(".", logprobs=openai_logprobs(-0.3)),
    )
    assert items[0] == Delta(index=0, text="Eighteen", logprobs=(-0.1, -0.2), tokens=2)
    assert last_delta(items) == Delta(index=0, tokens=3, finish="stop")


async def test_logprobs_that_are_none_are_garbled() -> None:
    with pytest.raises(BackendGarbled, match="log-probabilities"):
        await said(piece("18", logprobs={"content": [{"token": "18"}]}))


@pytest.mark.parametrize(
    ("metadata", "finish"),
    [
        ({"finish_reason": "length"}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"stop_reason": "max_tokens"}, "length"),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"finish_reason": "content_filter"}, "length"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"finish_reason": "tool_calls"}, "stop"),
    ],
)
async def test_a_sample_that_was_cut_off_says_so(metadata: dict[str, Any], finish: str) -> None:
    assert last_delta(await said(piece("18", **metadata))).finish == finish


async def test_a_sample_as_long_as_it_may_be_was_cut_off_unless_it_says_otherwise() -> None:
    silent = await said(piece("18", usage(30, 5)), max_tokens=5)
    ended = await said(piece("18", usage(30, 5), finish_reason="stop"), max_tokens=5)
    assert last_delta(silent).finish == "length"
    assert last_delta(ended).finish == "stop"


async def test_a_model_that_does_not_stream_answers_in_one_piece() -> None:
    whole = AIMessage(
        content="18", usage_metadata=usage(30, 1), response_metadata={"finish_reason": "stop"}
    )
    model = GenericFakeChatModel(messages=iter([whole]), disable_streaming=True)
    assert await streamed(model) == [
        Delta(index=0, text="18", tokens=1),
        Delta(index=0, tokens=1, finish="stop"),
        Tokens(prompt=30, cached_prompt=0, completion=1),
    ]


async def test_a_synchronous_model_streams_too() -> None:
    items = await streamed(GenericFakeChatModel(messages=iter(["There are 18 eggs."])))
    assert text_of(items) == "There are 18 eggs."
    assert len(items) > 2


async def test_closing_the_stream_cancels_the_call() -> None:
    model = Speaker(pieces=[piece("Eigh"), None])
    stream = LangChainBackend(model).stream(asking())
    assert text_of([await anext(stream)]) == "Eigh"
    assert not model.cancelled
    await stream.aclose()
    assert model.cancelled


async def test_cancelling_the_caller_cancels_the_call() -> None:
    model = Speaker(pieces=[None])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await streamed(model)
    assert model.cancelled


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no such thing"), BackendError),
        (TimeoutError("too slow"), BackendLost),
        (ConnectionResetError("gone"), BackendLost),
        (ConnectionRefusedError("nobody"), BackendUnreachable),
        (Overloaded("busy"), BackendRefused),
        (ContextOverflowError("32 tokens too many"), PromptTooLong),
    ],
)
async def test_an_error_of_the_model_is_one_of_ours_with_its_cause(
    error: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=str(error)) as caught:
        await said(piece("Eigh"), error)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


async def test_an_error_status_is_kept() -> None:
    with pytest.raises(BackendRefused) as caught:
        await said(Overloaded("busy"))
    assert caught.value.status == 529


async def test_a_busy_server_says_when_to_come_back() -> None:
    quirk = Quirk(failures=[(429, {"Retry-After": "7"})])
    with (
        served(ScriptedBackend(["18"]), quirk=quirk) as url,
        pytest.raises(BackendRefused) as caught,
    ):
        await streamed(chat_openai(url))
    assert (caught.value.status, caught.value.retry_after) == (429, 7.0)


async def test_a_model_that_says_nothing_at_all_is_an_error() -> None:
    with pytest.raises(BackendError, match="No generation chunks"):
        await said()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n": 2}, "several samples"),
        ({"schema": {"type": "object"}}, "a schema"),
        ({"choices": ("yes", "no")}, "choices"),
        ({"top_logprobs": 5}, "top_logprobs"),
        ({"continue_partial": True}, "continue_partial"),
    ],
)
async def test_what_chat_models_cannot_do_is_refused_before_the_call(
    changes: dict[str, Any], named: str
) -> None:
    model = Speaker(pieces=[piece("18")])
    with pytest.raises(InvalidOption, match=named):
        await streamed(model, **changes)
    assert not model.asked


@pytest.mark.parametrize("cost", [0, -1.0, float("nan"), float("inf")])
def test_a_token_costs_something(cost: float) -> None:
    with pytest.raises(InvalidOption, match="relative_cost"):
        LangChainBackend(Speaker(pieces=[]), relative_cost=cost)


async def test_the_offer_names_the_model_and_logprobs_where_it_tells_them() -> None:
    silent = await LangChainBackend(Speaker(pieces=[]), context_length=8192).offer()
    telling = await LangChainBackend(Speaker(pieces=[], logprobs=True)).offer()
    assert silent.fingerprint.model == "Speaker"
    assert silent.fingerprint.context_length == 8192
    assert silent.capabilities == frozenset()
    assert telling.capabilities == {"logprobs"}


async def test_a_hosts_callbacks_do_not_count_the_calls_again() -> None:
    model = Speaker(pieces=[piece("18", usage(30, 1), model_name="speaker")])
    with get_usage_metadata_callback() as host:
        await streamed(model)
        assert host.usage_metadata == {}
        await model.ainvoke("How many?", stream=True)
        assert host.usage_metadata == {"speaker": usage(30, 1)}


async def test_chat_openai_is_counted_as_its_server_counts() -> None:
    server = ScriptedBackend(lambda request, index: Reply(text="So it is 18, as 3 times 6 is 18."))
    with served(server) as url:
        model = chat_openai(url, logprobs=True)
        items = await streamed(model, temperature=0.4)
        offer = await LangChainBackend(model).offer()
    (asked,) = server.requests
    assert (asked.temperature, asked.max_tokens) == (0.4, 100)
    assert text_of(items) == "So it is 18, as 3 times 6 is 18."
    assert total(items) == Tokens(
        prompt=server.prompt_tokens, cached_prompt=0, completion=server.generated_tokens
    )
    assert sum(len(item.logprobs) for item in items if isinstance(item, Delta)) == 12
    assert offer.capabilities == {"logprobs"}
    assert offer.fingerprint.model == "scripted"


async def test_chat_openai_with_continuous_usage_is_counted_once() -> None:
    server = ScriptedBackend(["So it is 18, as 3 times 6 is 18."], chunk_tokens=2)
    options = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    with served(server) as url:
        items = await streamed(chat_openai(url, extra_body=options))
    assert total(items) == Tokens(prompt=server.prompt_tokens, cached_prompt=0, completion=12)


async def test_an_address_where_nothing_answers_is_unreachable() -> None:
    with served(ScriptedBackend([])) as gone:
        pass
    with pytest.raises(BackendUnreachable, match="scripted"):
        await streamed(chat_openai(gone))


@pytest.mark.parametrize("strategy", ["single_pass", "refine"])
async def test_an_agent_solves_on_chat_openai_and_pays_what_it_used(strategy: str) -> None:
    server = ScriptedBackend(lambda request, index: Reply(text="So it is \\boxed{18}.", tokens=60))
    with served(server) as url:
        backend = LangChainBackend(chat_openai(url, logprobs=True), context_length=4096)
        async with Agent(backend, strategy=strategy) as agent:
            solution = await agent.asolve(QUESTION, max_compute_budget=6000)
    receipt = solution.receipt
    assert solution.answer == "18"
    assert receipt.spent.completion_tokens == server.generated_tokens
    assert receipt.spent.prompt_tokens == server.prompt_tokens
    assert receipt.spent.requests == len(server.requests)
    assert receipt.engine.backend == "langchain"


async def test_several_attempts_on_a_chat_model_are_several_calls() -> None:
    server = ScriptedBackend(lambda request, index: Reply(text="So it is \\boxed{18}.", tokens=60))
    with served(server) as url:
        backend = LangChainBackend(chat_openai(url), context_length=4096)
        async with Agent(backend, strategy="adaptive") as agent:
            solution = await agent.asolve(QUESTION, max_compute_budget=6000)
    assert solution.answer == "18"
    assert solution.status == "agreed"
    assert len(solution.candidates) > 1
    assert {request.n for request in server.requests} == {1}
    assert solution.receipt.spent.completion_tokens >= 60 * len(solution.candidates)
