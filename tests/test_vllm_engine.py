"""What only a real vLLM can show: its own counts, aborts, structure, and its prefix cache."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from its_agent.backends.counters import EngineCounters, read_counters
from its_agent.backends.embedded import EmbeddedServer
from its_agent.backends.protocol import Delta, PromptBound, Request, StreamItem, Tokens
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import BackendRefused, PromptTooLong, UnknownModel

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

QUESTION = {"role": "user", "content": "What is 17 + 25? Think step by step, then say the number."}


@pytest_asyncio.fixture
async def backend(engine: EmbeddedServer) -> AsyncIterator[VLLMBackend]:
    async with aclosing(VLLMBackend(engine.base_url)) as backend:
        yield backend


def request(*messages: dict[str, str], max_tokens: int = 24, **changes: Any) -> Request:
    return Request(messages=messages or (QUESTION,), max_tokens=max_tokens, **changes)


async def collect(backend: VLLMBackend, asked: Request) -> tuple[list[Delta], Tokens]:
    async with aclosing(backend.stream(asked)) as stream:
        items: list[StreamItem] = [item async for item in stream]
    last = items.pop()
    assert isinstance(last, Tokens)
    return [item for item in items if isinstance(item, Delta)], last


async def text_of(backend: VLLMBackend, asked: Request) -> str:
    deltas, _ = await collect(backend, asked)
    return "".join(delta.text for delta in deltas)


async def settled(engine: EmbeddedServer) -> EngineCounters:
    """The engine's counters once they rest; they lag behind its answers a little."""
    earlier = await read_counters(engine.base_url)
    while True:
        await asyncio.sleep(0.3)
        now = await read_counters(engine.base_url)
        if now == earlier and not now.requests_running:
            return now
        earlier = now


async def running(engine: EmbeddedServer, samples: int, *, within: float) -> None:
    """Waits until this many samples are being generated. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while (await read_counters(engine.base_url)).requests_running != samples:
            await asyncio.sleep(0.02)


async def test_the_counts_are_the_engines_own(engine: EmbeddedServer, backend: VLLMBackend) -> None:
    before = await settled(engine)
    deltas, told = await collect(backend, request(n=4))
    used = await settled(engine) - before
    assert told.completion == used.generation_tokens
    assert told.prompt * 4 == used.prompt_tokens
    assert sum({d.index: d.tokens for d in deltas}.values()) == told.completion
    assert sum(len(d.logprobs) for d in deltas) == told.completion


async def test_the_server_counts_a_prompt_as_it_reads_it(backend: VLLMBackend) -> None:
    partial = {"role": "assistant", "content": "17 + 25 ="}
    for asked in (
        request(),
        request(QUESTION, partial, continue_partial=True),
        request({"role": "system", "content": "Be brief, plea\u2028se. \u4e2d"}, QUESTION),
    ):
        counted = await backend.count_prompt(asked)
        _, told = await collect(backend, asked)
        assert counted == told.prompt


async def test_the_tokenizer_counts_an_answer_but_for_the_end_of_its_turn(
    backend: VLLMBackend,
) -> None:
    deltas, told = await collect(backend, request(temperature=0.0, max_tokens=400))
    assert deltas[-1].finish == "stop"
    text = "".join(delta.text for delta in deltas)
    assert await backend.count_text(text) == told.completion - 1


@pytest.mark.parametrize(
    "text", ["How many?", "\u0958\ufb1f\U0001d160" * 20, "7 \u00d7 8 \u4e2d\n\n" * 9]
)
async def test_a_new_prompt_is_bounded_and_its_usage_tells_what_the_server_counts(
    backend: VLLMBackend, engine: EmbeddedServer, text: str
) -> None:
    for samples in (1, 4):
        await backend.count_prompt(request())
        await collect(backend, request(n=samples))
    asked = request({"role": "user", "content": text}, n=4)
    bound = backend.prompt_bound(asked)
    assert bound is not None
    assert not bound.is_exact
    await collect(backend, asked)
    async with aclosing(VLLMBackend(engine.base_url)) as another:
        count = await another.count_prompt(asked)
    assert count <= bound.tokens
    assert backend.prompt_bound(asked) == PromptBound(tokens=count, is_exact=True)


async def test_closing_a_stream_empties_the_engine_within_a_second(
    engine: EmbeddedServer,
) -> None:
    # Without an end of its own, so that only the closing can end it.
    backend = VLLMBackend(engine.base_url, sampling={"ignore_eos": True})
    async with aclosing(backend), aclosing(backend.stream(request(n=4, max_tokens=3000))) as stream:
        await anext(stream)
        await running(engine, 4, within=60)
        await stream.aclose()
        await running(engine, 0, within=1)


async def test_a_stop_string_stays_in_the_text(backend: VLLMBackend) -> None:
    asked = request(
        {"role": "user", "content": "Count from 1 to 9, separated by commas."},
        temperature=0.0,
        stop=("3",),
    )
    deltas, _ = await collect(backend, asked)
    text = "".join(delta.text for delta in deltas)
    assert text.endswith("3")
    assert text.count("3") == 1
    assert deltas[-1].finish == "stop"


async def test_only_a_listed_choice_is_answered(backend: VLLMBackend) -> None:
    asked = request(QUESTION, choices=("violet", "octagon"))
    assert await text_of(backend, asked) in ("violet", "octagon")


async def test_an_answer_has_the_shape_of_the_schema(backend: VLLMBackend) -> None:
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer", "maximum": 99}},
        "required": ["sum"],
        "additionalProperties": False,
    }
    answer = json.loads(await text_of(backend, request(schema=schema, max_tokens=60)))
    assert isinstance(answer["sum"], int)


async def test_a_partial_answer_is_continued_where_it_stopped(backend: VLLMBackend) -> None:
    partial = {"role": "assistant", "content": "One two three four five six"}
    asked = request(
        {"role": "user", "content": "Count from one to ten in words."},
        partial,
        continue_partial=True,
        temperature=0.0,
        max_tokens=8,
    )
    assert (await text_of(backend, asked)).lstrip(" ,\n").startswith("seven")


async def test_the_alternatives_of_a_token_are_probabilities(backend: VLLMBackend) -> None:
    deltas, _ = await collect(backend, request(top_logprobs=20, max_tokens=3, temperature=0.0))
    tops = [top for delta in deltas for top in delta.top_logprobs]
    chosen = [logprob for delta in deltas for logprob in delta.logprobs]
    assert len(tops) == len(chosen) == 3
    for top, logprob in zip(tops, chosen, strict=True):
        assert logprob == max(top.values()) <= 0
        assert 0.3 < sum(map(math.exp, top.values())) <= 1.001


async def test_a_follow_up_about_an_answer_is_read_from_the_cache(
    engine: EmbeddedServer, backend: VLLMBackend
) -> None:
    told = {"role": "assistant", "content": "Seventeen and twenty-five make forty-two. " * 20}
    await collect(backend, request(QUESTION, told, QUESTION, max_tokens=1))
    before = await settled(engine)
    asked = request(
        QUESTION, told, QUESTION, {"role": "assistant", "content": "42."}, QUESTION, max_tokens=1
    )
    _, tokens = await collect(backend, asked)
    hits = (await settled(engine) - before).prefix_cache_hits
    assert tokens.cached_prompt == hits > 100
    assert tokens.prompt - tokens.cached_prompt < 100


async def test_the_offer_is_that_of_the_engine(
    engine: EmbeddedServer, backend: VLLMBackend
) -> None:
    await collect(backend, request(max_tokens=1))
    told = (await backend.offer()).fingerprint
    assert (told.model, (told.engine or "")[:5]) == (engine.model, "vllm ")
    assert told.context_length
    assert told.system_fingerprint


async def test_what_the_engine_refuses_is_told_in_its_words(
    engine: EmbeddedServer, backend: VLLMBackend
) -> None:
    with pytest.raises(PromptTooLong, match="maximum context length"):
        await collect(backend, request({"role": "user", "content": "word " * 40_000}))
    with pytest.raises(BackendRefused, match="top_logprobs|logprobs"):
        await collect(backend, request(top_logprobs=1000))
    async with aclosing(VLLMBackend(engine.base_url, "gpt")) as other:
        with pytest.raises(UnknownModel, match=engine.model):
            await collect(other, request())


async def test_the_callers_settings_reach_the_engine(engine: EmbeddedServer) -> None:
    greeting = request({"role": "user", "content": "Say hi."}, max_tokens=40)
    backend = VLLMBackend(engine.base_url, sampling={"ignore_eos": True})
    async with aclosing(backend):
        _, told = await collect(backend, greeting)
    assert told.completion == 40
