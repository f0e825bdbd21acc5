"""Candidates of an agent's model calls: how many there are, which goes on, and who sees them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from scripted_agent import Line, Scripted, agent_of, calls, says
from scripted_server import served

from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption
from its_agent.integrations import BudgetMiddleware, ITSMiddleware
from its_agent.integrations.message_votes import meant_by, vote

QUESTION = "What is 17 + 25?"
ASK: Any = {"messages": [HumanMessage(QUESTION)]}
added: list[tuple[int, int]] = []


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    added.append((a, b))
    return a + b


@pytest.fixture(autouse=True)
def _nothing_added() -> None:
    added.clear()


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Any:
    def run_agent(agent: Any, given: Any = ASK) -> dict[str, Any]:
        if request.param == "sync":
            return dict(agent.invoke(given))
        return dict(asyncio.run(agent.ainvoke(given)))

    return run_agent


def wavering(*firsts: AIMessage) -> Any:
    """Calls the tool with these candidates first, then always with the right numbers, and answers
    once the tool has."""
    left = list(firsts)

    def speak(messages: list[BaseMessage], asked: dict[str, Any]) -> AIMessage:
        if messages[-1].type == "tool":
            return says(f"It is {messages[-1].text}.")
        return left.pop(0) if left else calls("add", a=17, b=25)

    return speak


def test_the_call_that_most_candidates_make_is_the_one_that_is_made(run: Any) -> None:
    model = Scripted(script=wavering(calls("add", a=1, b=1), says("It is 41.")))
    result = run(agent_of(model, [add], middleware=[ITSMiddleware()]))
    assert added == [(17, 25)]
    assert result["messages"][-1].text == "It is 42."
    assert len(result["messages"]) == 4


def test_three_of_the_same_are_enough_and_doubt_buys_more(run: Any) -> None:
    sure = Scripted(script=wavering())
    run(agent_of(sure, [add], middleware=[ITSMiddleware()]))
    assert len(sure.asked) == 3 + 3
    unsure = Scripted(script=wavering(calls("add", a=1, b=1)))
    run(agent_of(unsure, [add], middleware=[ITSMiddleware()]))
    assert len(unsure.asked) > 3 + 3


def test_no_more_than_the_most_are_drawn(run: Any) -> None:
    numbers = iter(range(100))
    model = Scripted(script=lambda messages, asked: says(f"It is {next(numbers)}."))
    run(agent_of(model, middleware=[ITSMiddleware(most=5)]))
    assert len(model.asked) == 5


def test_the_first_candidate_is_taken_as_the_model_is_set_and_the_others_warm(run: Any) -> None:
    model = Scripted(script=wavering())
    run(agent_of(model, [add], middleware=[ITSMiddleware(temperature=0.7)]))
    assert sorted(asked.get("temperature", -1.0) for asked in model.asked[:3]) == [-1.0, 0.7, 0.7]
    as_set = Scripted(script=wavering())
    run(agent_of(as_set, [add], middleware=[ITSMiddleware(temperature=None)]))
    assert not any("temperature" in asked for asked in as_set.asked)


def test_the_answer_carries_what_all_candidates_used(run: Any) -> None:
    model = Scripted(script=lambda messages, asked: says("It is 42.", prompt=100, completion=20))
    answer = run(agent_of(model, middleware=[ITSMiddleware()]))["messages"][-1]
    assert answer.usage_metadata["total_tokens"] == 3 * 120
    receipt = answer.response_metadata["receipt"]
    assert receipt["spent"]["compute"] == 3 * 120
    assert (receipt["candidates"], receipt["votes"]) == (3, 3)
    assert receipt["confidence"] > 0.9


def test_a_limit_for_one_call_holds(run: Any) -> None:
    numbers = iter(range(100))
    model = Scripted(
        script=lambda messages, asked: says(f"It is {next(numbers)}.", prompt=60, completion=40)
    )
    run(agent_of(model, middleware=[ITSMiddleware(max_compute_budget=450)]))
    assert len(model.asked) == 4


@pytest.mark.parametrize("outer", [True, False], ids=["its first", "budget first"])
def test_with_a_budget_every_candidate_is_charged_once(run: Any, outer: bool) -> None:
    model = Scripted(script=wavering(calls("add", a=1, b=1)))
    budget = BudgetMiddleware(50_000)
    both: list[Any] = [ITSMiddleware(budget=budget if outer else None), budget]
    result = run(agent_of(model, [add], middleware=both if outer else both[::-1]))
    assert result["its_budget"]["spent"]["compute"] == 120 * len(model.asked)
    assert result["its_budget"]["spent"]["requests"] == len(model.asked) > 6


def test_candidates_are_not_drawn_from_a_budget_that_is_short(run: Any) -> None:
    def speak(messages: list[BaseMessage], asked: dict[str, Any]) -> AIMessage:
        return calls("add", 100, 20, a=1, b=1) if asked.get("tools") else says("It is 2.")

    model = Scripted(script=speak)
    budget = BudgetMiddleware(4_000)
    middleware: Any = [ITSMiddleware(budget=budget), budget]
    result = run(agent_of(model, [add], middleware=middleware))
    assert result["messages"][-1].text == "It is 2."
    assert result["its_budget"]["spent"]["compute"] <= 4_000
    assert len(added) >= 5


def test_a_failing_candidate_is_the_calls_failure(run: Any) -> None:
    script: list[Line] = [says("It is 42."), ConnectionError("gone"), says("It is 42.")]
    with pytest.raises(ConnectionError, match="gone"):
        run(agent_of(Scripted(script=script), middleware=[ITSMiddleware()]))


def on_server(url: str) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{url}/v1",
        api_key=SecretStr("EMPTY"),
        model="scripted",
        streaming=True,
        stream_usage=True,
        max_retries=0,
    )


class Counter(BaseCallbackHandler):
    """Adds up what models say that they have made."""

    tokens = 0

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        generation = response.generations[0][0]
        assert isinstance(generation, ChatGeneration)
        assert isinstance(generation.message, AIMessage)
        assert generation.message.usage_metadata is not None
        self.tokens += generation.message.usage_metadata["output_tokens"]


def differing(request: Request, index: int) -> Reply:
    return Reply(text="So it is \\boxed{41}." if index == 0 else "So it is \\boxed{42}.")


async def test_streams_show_the_chosen_answer_alone() -> None:
    with served(ScriptedBackend(differing)) as url:
        agent = agent_of(on_server(url), middleware=[ITSMiddleware()])
        parts = [part async for part in agent.astream(ASK, stream_mode="messages")]
    assert [part[0].text for part in parts] == ["So it is \\boxed{42}."]


def test_streams_from_synchronous_code_show_it_alone_too() -> None:
    with served(ScriptedBackend(differing)) as url:
        agent = agent_of(on_server(url), middleware=[ITSMiddleware()])
        parts = list(agent.stream(ASK, stream_mode="messages"))
    assert [part[0].text for part in parts] == ["So it is \\boxed{42}."]


async def test_events_show_no_candidate_and_counters_count_all_of_them() -> None:
    backend = ScriptedBackend(differing)
    with served(backend) as url:
        agent = agent_of(on_server(url), middleware=[ITSMiddleware()])
        counter = Counter()
        heard = agent.astream_events(ASK, {"callbacks": [counter]}, version="v2")
        events = [event async for event in heard]
    assert not [event for event in events if event["event"].startswith("on_chat_model")]
    assert counter.tokens == backend.generated_tokens
    (end,) = [e for e in events if e["event"] == "on_chain_end" and not e["parent_ids"]]
    assert end["data"]["output"]["messages"][-1].text == "So it is \\boxed{42}."


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (calls("add", a=1, b=2.0), calls("add", b=2, a=1.0), True),
        (calls("add", a=1), calls("add", a=True), False),
        (calls("add", a=1), calls("sub", a=1), False),
        (says("So it is \\boxed{42}."), says("The answer is 42."), True),
        (says('{"a": 1}'), says('{ "a": 1.0 }'), True),
        (says("42"), calls("add", a=42), False),
    ],
)
def test_what_votes_together(one: AIMessage, other: AIMessage, equal: bool) -> None:
    assert (meant_by(one, QUESTION) == meant_by(other, QUESTION)) is equal


def test_calls_that_cannot_be_read_have_no_vote() -> None:
    broken = AIMessage(
        "",
        invalid_tool_calls=[
            {"type": "invalid_tool_call", "name": "add", "args": "{", "id": "1", "error": None}
        ],
    )
    decided = vote([broken, broken, says("It is 42.")], QUESTION)
    assert (decided.chosen, decided.votes) == (2, 1)
    assert vote([broken, broken], QUESTION).chosen == 0


def test_options_out_of_bounds_are_refused() -> None:
    with pytest.raises(InvalidOption, match="most must be"):
        ITSMiddleware(most=0)
    with pytest.raises(InvalidOption, match="max_compute_budget must be"):
        ITSMiddleware(max_compute_budget=0)
    with pytest.raises(InvalidOption, match="confidence must be"):
        ITSMiddleware(confidence=1.0)
