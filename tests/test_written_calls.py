"""Calls that a model writes as text are read as calls, and are never shown as an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_vllm import backend_of, collect, events, piece, request, serving, total

from its_agent.backends.protocol import Delta
from its_agent.backends.written_calls import WrittenCalls, calls_written

ADD: Any = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALL = '{"name": "add", "arguments": {"a": 17, "b": 25}}'
OTHER = '{"name": "double", "parameters": {}}'


def named(text: str) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in calls_written(text)]


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"\n {CALL} \n",
        f"```json\n{CALL}\n```",
        f"```\n{CALL}\n```",
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tools>{CALL}</tools>",
        f"[{CALL}]",
        CALL.replace("arguments", "parameters"),
    ],
)
def test_one_call_is_read_in_every_dress(text: str) -> None:
    assert named(text) == [("add", {"a": 17, "b": 25})]


@pytest.mark.parametrize("between", [", ", "\n", "\n```\n```json\n", "</tool_call>\n<tool_call>"])
def test_several_calls_are_read_in_their_order(between: str) -> None:
    assert named(CALL + between + OTHER) == [("add", {"a": 17, "b": 25}), ("double", {})]
    assert len({call.id for call in calls_written(CALL + between + OTHER)}) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        f"Let me call it: {CALL}",
        f"{CALL} This adds them.",
        '{"name": "add", "arguments": {"a"',
        '{"name": "add"}',
        '{"name": "add", "arguments": "17"}',
        '{"name": 7, "arguments": {}}',
        '{"name": "add", "arguments": {}, "answer": 42}',
        '{"name": "add", "description": "Adds.", "parameters": {"type": "object"}}',
        f"[{CALL}, 42]",
        "[]",
        "[" * 100_000,
    ],
)
def test_what_is_anything_else_is_text(text: str) -> None:
    assert calls_written(text) == ()


def told(*texts: str, finish: str = "stop", index: int = 0) -> list[Delta]:
    """The pieces of one sample."""
    ends = [None] * (len(texts) - 1) + [finish]
    return [
        Delta(index=index, text=text, tokens=place, finish=end)  # type: ignore[arg-type]
        for place, (text, end) in enumerate(zip(texts, ends, strict=True), start=1)
    ]


def test_a_call_is_held_back_and_told_at_its_end() -> None:
    reader = WrittenCalls()
    read = [reader.read(delta) for delta in told("```js", "on\n", CALL, "\n```")]
    assert [delta.text for delta in read] == [""] * 4
    assert [delta.tokens for delta in read] == [1, 2, 3, 4]
    assert [len(delta.calls) for delta in read] == [0, 0, 0, 1]


def test_an_answer_is_shown_as_soon_as_it_cannot_be_a_call() -> None:
    reader = WrittenCalls()
    read = [reader.read(delta) for delta in told("``", "`python\n", "{}", "\n```")]
    assert [delta.text for delta in read] == ["", "```python\n", "{}", "\n```"]


def test_what_was_held_and_is_no_call_is_shown_in_the_end() -> None:
    reader = WrittenCalls()
    read = [reader.read(delta) for delta in told('{"answer"', ": 42}")]
    assert [delta.text for delta in read] == ["", '{"answer": 42}']


def test_a_call_that_was_cut_off_stays_text() -> None:
    reader = WrittenCalls()
    (read,) = [reader.read(delta) for delta in told(CALL, finish="length")]
    assert (read.text, read.calls) == (CALL, ())


def test_samples_are_read_apart() -> None:
    reader = WrittenCalls()
    first, second = told(CALL[:9], CALL[9:]), told("It is ", "42.", index=1)
    read = [reader.read(delta) for pair in zip(first, second, strict=True) for delta in pair]
    assert "".join(delta.text for delta in read if delta.index == 1) == "It is 42."
    assert [call.name for delta in read for call in delta.calls] == ["add"]


@pytest.mark.parametrize(
    ("asked", "is_read"),
    [
        ({"tools": (ADD,)}, True),
        ({"tools": (ADD,), "tool_choice": "auto"}, True),
        ({"tools": (ADD,), "tool_choice": "none"}, False),
        ({}, False),
    ],
)
async def test_only_where_something_may_be_called(asked: Any, *, is_read: bool) -> None:
    answer = events(piece(0, CALL, count=20, finish="stop"), total(9, 20))
    async with backend_of(serving(answer)) as backend:
        (delta, counts) = await collect(backend, request(**asked))
    assert isinstance(delta, Delta)
    assert (bool(delta.calls), delta.text) == ((True, "") if is_read else (False, CALL))
    assert counts.completion == 20  # type: ignore[union-attr]
