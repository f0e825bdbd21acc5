"""What a reasoning model thinks is kept apart from what it answers, and paid for."""

from __future__ import annotations

from typing import Any

import pytest
from fake_vllm import (
    CHAT,
    COUNT,
    FORTY_TWO,
    Answer,
    backend_of,
    collect,
    events,
    page,
    piece,
    request,
    sent_body,
    serving,
    total,
)

from its_agent import Agent
from its_agent.backends.protocol import Delta, Request, Tokens
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption
from its_agent.thinking.tags import is_open, parted, rejoined

SUM = "What is 17 + 25?"


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("It is 42.", "", "It is 42."),
        ("<think>\n17 + 25…\n</think>\n\nIt is 42.", "17 + 25…", "It is 42."),
        ("17 + 25…\n</think>\n\nIt is 42.", "17 + 25…", "It is 42."),
        ("<think>\n17 + 25 = \\boxed{41}? No", "17 + 25 = \\boxed{41}? No", ""),
        ("<think></think>It is 42.", "", "It is 42."),
        ("<think>a</think>b<think>c</think>It is 42.", "a</think>b<think>c", "It is 42."),
        ("Write <think> first.", "", "Write <think> first."),
    ],
)
def test_thinking_is_taken_apart(text: str, thinking: str, answer: str) -> None:
    assert parted(text) == (thinking, answer)


def test_thinking_that_was_kept_apart_is_put_back_together() -> None:
    assert rejoined("", "It is 42.", is_over=True) == "It is 42."
    assert parted(rejoined("17 + 25…", "It is 42.", is_over=True)) == ("17 + 25…", "It is 42.")
    assert is_open(rejoined("17 + 25…", "", is_over=False))
    assert not is_open(rejoined("17 + 25…", "", is_over=True))


async def test_an_answer_is_never_taken_from_thinking() -> None:
    backend = ScriptedBackend(
        [
            Reply(text="<think>\nPerhaps \\boxed{41}.\n</think>\n\nIt is \\boxed{42}.", tokens=30),
            Reply(text="<think>\nPerhaps \\boxed{41}.", tokens=30),
        ]
    )
    async with Agent(backend, strategy="self_consistency", max_tokens=60) as agent:
        solution = await agent.asolve(SUM, max_compute_budget=180)
    assert [(c.answer, c.text, c.thinking) for c in solution.candidates] == [
        ("42", "It is \\boxed{42}.", "Perhaps \\boxed{41}."),
        (None, "", "Perhaps \\boxed{41}."),
    ]
    assert solution.text == "It is \\boxed{42}."


async def test_a_vote_is_not_decided_by_what_is_only_thought() -> None:
    text = "<think>\nPerhaps \\boxed{41}.\n</think>\n\nIt is \\boxed{42}."
    backend = ScriptedBackend(
        lambda asked, index: Reply(text=text, tokens=400 if index > 6 else 20), delay=0.001
    )
    async with Agent(backend, strategy="adaptive_consistency") as agent:
        solution = await agent.asolve(SUM, max_compute_budget=4_300)
    assert solution.answer == "42"
    assert "aborted" in [c.finish for c in solution.candidates]


def thought(text: str, *, field: str, count: int | None) -> dict[str, Any]:
    sent = piece(0, "", count=count)
    sent["choices"][0]["delta"] = {field: text}
    return sent


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_what_a_reasoning_parser_splits_off_is_told_as_thinking(field: str) -> None:
    sent = events(
        thought("17 and", field=field, count=2),
        thought(" 25", field=field, count=5),
        piece(0, "\\boxed{42}", count=9, finish="stop"),
        total(9, 9),
    )
    async with backend_of(serving(sent), "qwen") as backend:
        items = await collect(backend, request())
    deltas = [item for item in items if isinstance(item, Delta)]
    assert [(d.thinking, d.text, d.tokens) for d in deltas] == [
        ("17 and", "", 2),
        (" 25", "", 5),
        ("", "\\boxed{42}", 9),
    ]
    assert items[-1] == Tokens(prompt=9, cached_prompt=0, completion=9)


async def test_hidden_thinking_is_in_the_candidate_with_its_tokens() -> None:
    sent = events(
        thought("Is it \\boxed{41}?", field="reasoning", count=6),
        piece(0, "\\boxed{42}", count=9, finish="stop"),
        total(9, 9),
    )
    server = serving(sent)
    async with (
        backend_of(server, "qwen") as backend,
        Agent(backend, strategy="single_pass") as agent,
    ):
        solution = await agent.asolve(SUM, max_compute_budget=1_000)
    (candidate,) = solution.candidates
    assert (candidate.thinking, candidate.text) == ("Is it \\boxed{41}?", "\\boxed{42}")
    assert candidate.signals["thinking_tokens"] == 6
    assert candidate.usage.completion_tokens == solution.receipt.spent.completion_tokens == 9
    assert solution.answer == "42"


async def test_thinking_that_nobody_counts_is_estimated_and_not_free() -> None:
    bare = thought("17 and 25 make forty-two", field="reasoning", count=None)
    bare["choices"][0]["logprobs"] = None
    last = piece(0, "42", finish="stop")
    last["choices"][0]["logprobs"] = None
    server = serving()
    server.answers[CHAT] = lambda: Answer(events(bare, last))
    async with backend_of(server, "qwen") as backend:
        items = await collect(backend, request())
    first = items[0]
    assert isinstance(first, Delta)
    assert first.estimated
    assert first.tokens >= 6


async def test_thinking_is_switched_by_the_template_and_the_prompt_is_counted_with_it() -> None:
    server = serving()
    server.answers[COUNT] = lambda: page({"count": 9})
    async with (
        backend_of(server, "qwen", chat_template_kwargs={"lang": "en"}) as backend,
        Agent(backend, strategy="single_pass", thinking=False) as agent,
    ):
        await agent.asolve(SUM, max_compute_budget=1_000)
        await backend.count_prompt(request(thinking=True))
        await backend.count_prompt(request(thinking=False))
    (sent,) = server.bodies(CHAT)
    assert sent["chat_template_kwargs"] == {"lang": "en", "enable_thinking": False}
    assert "thinking_token_budget" not in sent
    counted = [body["chat_template_kwargs"] for body in server.bodies(COUNT)]
    assert {"lang": "en", "enable_thinking": False} in counted
    assert counted[-2:] == [
        {"lang": "en", "enable_thinking": True},
        {"lang": "en", "enable_thinking": False},
    ]


async def test_without_a_word_on_thinking_the_template_decides() -> None:
    sent = await sent_body(request())
    assert "chat_template_kwargs" not in sent
    assert "thinking_token_budget" not in sent
    sent = await sent_body(request(thinking=True, thinking_tokens=200))
    assert sent["chat_template_kwargs"] == {"enable_thinking": True}
    assert sent["thinking_token_budget"] == 200


async def test_a_server_without_a_reasoning_parser_is_asked_again_without_a_thinking_budget() -> (
    None
):
    refusal = (
        "thinking_token_budget is set but reasoning_config is not configured. Please set "
        "--reasoning-parser and/or --reasoning-config to use thinking_token_budget."
    )
    answers = iter([page({"error": {"message": refusal, "code": 400}}, 400), Answer(FORTY_TWO)])
    server = serving()
    server.answers[CHAT] = lambda: next(answers, Answer(FORTY_TWO))
    async with (
        backend_of(server, "qwen") as backend,
        Agent(backend, strategy="self_consistency", thinking=300) as agent,
    ):
        solution = await agent.asolve(SUM, max_compute_budget=600)
        first, *later = server.bodies(CHAT)
        assert "thinking_budget" not in (await backend.offer()).capabilities
    assert first["thinking_token_budget"] == 300
    assert first["chat_template_kwargs"] == {"enable_thinking": True}
    assert later
    assert all("thinking_token_budget" not in body for body in later)
    assert solution.answer == "42"


@pytest.mark.parametrize("wrong", [0, -1, 1 << 21])
def test_a_thinking_budget_is_a_positive_number(wrong: int) -> None:
    with pytest.raises(InvalidOption, match="thinking must be from 1"):
        Agent(ScriptedBackend([]), thinking=wrong)


async def test_a_search_takes_no_answer_from_what_was_thought_on_the_way() -> None:
    def script(asked: Request, index: int) -> Reply:
        if not asked.continue_partial:
            return Reply(text="<think>\nPerhaps \\boxed{41}.\n\n", tokens=20)
        return Reply(text="No.\n</think>\n\nIt is 42.", tokens=20)

    async with Agent(ScriptedBackend(script), strategy="beam") as agent:
        solution = await agent.asolve(SUM, max_compute_budget=4_000)
    assert solution.answer == "42"
    assert solution.text == "It is 42."
    assert solution.candidates[0].thinking.startswith("Perhaps")
