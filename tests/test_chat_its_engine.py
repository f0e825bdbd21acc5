"""What only a real engine shows of ChatITS: tools that are counted, called, and paid truly."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from test_agent_engine import at_rest

from its_agent.backends.embedded import EmbeddedServer
from its_agent.integrations import ChatITS

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Sum(BaseModel):
    """A sum."""

    total: int


@pytest.mark.parametrize("strategy", ["single_pass", "self_consistency"])
async def test_calls_are_made_and_cost_what_the_engine_counts(
    engine: EmbeddedServer, strategy: str
) -> None:
    before = await at_rest(engine)
    chat = ChatITS(engine.base_url, strategy=strategy, max_tokens=64)
    bound = chat.bind_tools([add], tool_choice="add")
    message = await bound.ainvoke("Add 17 and 25.", max_compute_budget=1_200)
    used = await at_rest(engine) - before
    receipt: dict[str, Any] = message.response_metadata["receipt"]
    assert [call["name"] for call in (*message.tool_calls, *message.invalid_tool_calls)] == ["add"]
    assert receipt["spent"]["completion_tokens"] == used.generation_tokens > 0
    assert receipt["engine_prompt_tokens"] == used.prompt_tokens > 0
    assert receipt["notes"] == []
    await chat.aclose()


async def test_a_single_pass_streams_in_pieces(engine: EmbeddedServer) -> None:
    chat = ChatITS(engine.base_url, strategy="single_pass", max_tokens=48)
    pieces = [piece async for piece in chat.astream("Name three colours.")]
    assert sum(bool(piece.content) for piece in pieces) > 3
    assert pieces[-1].usage_metadata is not None
    await chat.aclose()


async def test_a_schema_is_kept_to(engine: EmbeddedServer) -> None:
    chat = ChatITS(engine.base_url, strategy="single_pass", max_tokens=48)
    answer = await chat.with_structured_output(Sum).ainvoke("What is 2 + 2? Give the total.")
    assert isinstance(answer, Sum)
    await chat.aclose()
