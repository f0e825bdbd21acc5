"""The gateway before a real vLLM: true usage, tokens as they come, and an abort that arrives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from gateway_server import gateway_at
from openai import AsyncOpenAI

from its_agent.backends.counters import read_counters, settled_counters
from its_agent.backends.embedded import EmbeddedServer

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTION: Any = [{"role": "user", "content": "A robe takes 2 bolts and half that much. How many?"}]
STORY: Any = [{"role": "user", "content": "Write a very long story about a ship."}]


@pytest.fixture
def url(engine: EmbeddedServer) -> Iterator[str]:
    with gateway_at(engine.base_url, max_tokens=64) as address:
        yield address


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("strategy", ["single_pass", "adaptive", "self_consistency"])
async def test_usage_is_what_the_engine_counts(
    engine: EmbeddedServer, client: AsyncOpenAI, strategy: str
) -> None:
    before = await settled_counters(engine.base_url)
    answer: Any = await client.chat.completions.create(
        model=f"{engine.model}@{strategy}@700", messages=QUESTION, extra_body={"receipt": True}
    )
    used = await settled_counters(engine.base_url) - before
    assert answer.usage.completion_tokens == used.generation_tokens > 0
    assert answer.its["receipt"]["engine_prompt_tokens"] == used.prompt_tokens
    assert answer.its["receipt"]["spent"]["compute"] <= 700


async def test_a_single_pass_streams_tokens_as_they_come(
    engine: EmbeddedServer, client: AsyncOpenAI
) -> None:
    stream: Any = await client.chat.completions.create(
        model=f"{engine.model}@single_pass",
        messages=STORY,
        max_tokens=48,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) > 3
    assert 1 <= chunks[-1].usage.completion_tokens <= 48


async def test_json_that_is_asked_for_fits_its_schema(
    engine: EmbeddedServer, client: AsyncOpenAI
) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    answer: Any = await client.chat.completions.create(
        model=f"{engine.model}@single_pass",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        response_format=wanted,
        max_tokens=200,
    )
    assert json.loads(answer.choices[0].message.content)["city"] in ("Paris", "Rome")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_hangs_up_empties_the_engine(
    engine: EmbeddedServer, client: AsyncOpenAI, stream: bool
) -> None:
    asking = asyncio.create_task(_read_all(client, engine.model, stream))
    while (await read_counters(engine.base_url)).requests_running < 2:
        await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait([asking])
    async with asyncio.timeout(2):
        while (await read_counters(engine.base_url)).requests_running:
            await asyncio.sleep(0.05)


async def _read_all(client: AsyncOpenAI, model: str, stream: bool) -> None:
    answer: Any = await client.chat.completions.create(
        model=f"{model}@self_consistency@20000", messages=STORY, max_tokens=1500, stream=stream
    )
    if stream:
        async for _ in answer:
            pass
