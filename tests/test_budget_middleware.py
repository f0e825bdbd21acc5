"""One budget for a whole agent run: turns, subagents, resumes, and a last answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from scripted_agent import Scripted, agent_of, calls, says, used

from its_agent import Budget, Prices
from its_agent.backends.scripted import ScriptedBackend
from its_agent.errors import BudgetExceeded, InvalidBudget, InvalidOption
from its_agent.integrations import BudgetMiddleware, ChatITS
from its_agent.integrations.message_usage import next_call
from its_agent.integrations.stopwatch import Stopwatch

ASK: Any = {"messages": [HumanMessage("What is the weather?")]}


@tool
def look(at: int) -> str:
    """Look at something."""
    return f"seen {at}"


def looking_for_ever(messages: list[BaseMessage], asked: dict[str, Any]) -> AIMessage:
    """Calls a tool as long as it has one, 300 tokens at a time."""
    if not asked.get("tools"):
        return says("It is sunny.", prompt=200, completion=30)
    return calls("look", prompt=250, completion=50, at=len(messages))


def stubborn(messages: list[BaseMessage], asked: dict[str, Any]) -> AIMessage:
    """Calls a tool whether it has one or not."""
    return calls("look", 400, 100, at=1)


def texts(messages: list[BaseMessage]) -> list[str]:
    return [str(message.text) for message in messages]


def spent(result: dict[str, Any]) -> int:
    compute: int = result["its_budget"]["spent"]["compute"]
    return compute


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Any:
    def run_agent(agent: Any, given: Any = ASK, config: Any = None) -> dict[str, Any]:
        if request.param == "sync":
            return dict(agent.invoke(given, config))
        return dict(asyncio.run(agent.ainvoke(given, config)))

    return run_agent


def test_an_agent_that_would_never_end_gives_an_answer_inside_its_budget(run: Any) -> None:
    model = Scripted(script=looking_for_ever)
    agent = agent_of(model, [look], middleware=[BudgetMiddleware(2_000)])
    result = run(agent)
    assert result["messages"][-1].text == "It is sunny."
    assert spent(result) == 300 * (len(model.asked) - 1) + 230
    assert spent(result) <= 2_000
    assert len(model.asked) > 3


def test_the_agent_is_told_what_is_left_only_when_it_gets_short(run: Any) -> None:
    model = Scripted(script=looking_for_ever)
    result = run(agent_of(model, [look], middleware=[BudgetMiddleware(2_000)]))
    notes = ["[Budget]" in asked["messages"][-1].text for asked in model.asked]
    assert notes == [False] * notes.index(True) + [True] * notes.count(True)
    assert notes.index(True) > 2
    assert "of 2,000 tokens" in model.asked[-1]["messages"][-1].text
    assert not any("[Budget]" in text for text in texts(result["messages"]))


def test_the_last_call_has_no_tools_and_no_more_tokens_than_are_left(run: Any) -> None:
    model = Scripted(script=looking_for_ever)
    run(agent_of(model, [look], middleware=[BudgetMiddleware(2_000)]))
    *before, last = model.asked
    assert all(asked["tools"] == ["look"] and "max_tokens" not in asked for asked in before)
    assert "tools" not in last
    assert last["max_tokens"] < 2_000 - 300 * len(before)
    assert "no tool can be called any more" in last["messages"][-1].text


def test_calls_that_a_model_makes_up_at_the_end_are_not_made(run: Any) -> None:
    model = Scripted(script=stubborn)
    result = run(agent_of(model, [look], middleware=[BudgetMiddleware(1_200)]))
    assert isinstance(result["messages"][-1], AIMessage)
    assert not result["messages"][-1].tool_calls
    assert spent(result) <= 1_200


def test_a_tool_that_runs_is_never_cut(run: Any) -> None:
    ended: list[float] = []

    @tool
    def slow() -> str:
        """Take longer than there is time."""
        time.sleep(0.2)
        ended.append(time.monotonic())
        return "done"

    model = Scripted(script=[calls("slow"), says("Done.")])
    result = run(agent_of(model, [slow], middleware=[BudgetMiddleware(Budget(seconds=0.1))]))
    assert ended
    assert [type(one) for one in result["messages"][-2:]] == [AIMessage, ToolMessage]
    assert result["its_budget"]["elapsed"] >= 0.2


def test_requests_and_dollars_are_limits_too(run: Any) -> None:
    model = Scripted(script=looking_for_ever)
    by_requests = run(agent_of(model, [look], middleware=[BudgetMiddleware(Budget(requests=3))]))
    assert len(model.asked) == by_requests["its_budget"]["spent"]["requests"] == 3
    prices = Prices(prompt=1.0, completion=1.0)
    priced = BudgetMiddleware(Budget(usd=0.002), prices=prices)
    result = run(agent_of(Scripted(script=looking_for_ever), [look], middleware=[priced]))
    assert result["messages"][-1].text == "It is sunny."
    assert spent(result) <= 2_000


def test_what_the_cache_served_several_requests_is_not_taken_for_one() -> None:
    told = used(400, 40, cached=360)
    one = AIMessage("Sunny.", usage_metadata=told)
    four = AIMessage("Sunny.", usage_metadata=told, response_metadata={"receipt": {}})
    question = HumanMessage("What is the weather? " * 40)
    assert next_call([question, one]).cached_prompt_tokens == 360
    assert next_call([question, four]).cached_prompt_tokens == 0


def test_cached_tokens_are_free_and_missing_usage_is_estimated(run: Any) -> None:
    cached = AIMessage("Sunny.", usage_metadata=used(100, 10, cached=80))
    agent = agent_of(Scripted(script=[cached]), middleware=[BudgetMiddleware(5_000)])
    assert spent(run(agent)) == 30
    silent = agent_of(
        Scripted(script=[AIMessage("word " * 20)]), middleware=[BudgetMiddleware(5_000)]
    )
    assert spent(run(silent)) > 50


def test_a_failed_call_is_charged_its_prompt() -> None:
    budget = BudgetMiddleware(5_000)
    agent = agent_of(
        Scripted(script=[ValueError("no")]), middleware=[budget], checkpointer=InMemorySaver()
    )
    config: Any = {"configurable": {"thread_id": "1"}}
    with pytest.raises(ValueError, match="no"):
        agent.invoke(ASK, config)
    left = budget.left(agent.get_state(config).values).compute
    assert left is not None
    assert left < 5_000


def test_a_subagent_with_the_same_object_is_paid_from_the_same_account(run: Any) -> None:
    budget = BudgetMiddleware(3_000)
    inner_model = Scripted(script=looking_for_ever)
    inner = agent_of(inner_model, [look], middleware=[budget])

    @tool
    def delegate(task: str) -> str:
        """Have a subagent do it."""
        return str(inner.invoke({"messages": [HumanMessage(task)]})["messages"][-1].text)

    model = Scripted(script=[calls("delegate", task="look"), says("So it is sunny.")])
    result = run(agent_of(model, [delegate], middleware=[budget]))
    inner_spent = 300 * (len(inner_model.asked) - 1) + 230
    assert result["messages"][-2].text == "It is sunny."
    assert result["messages"][-1].text == "So it is sunny."
    assert spent(result) == 120 + inner_spent + 120
    assert spent(result) <= 3_000


def test_subagents_side_by_side_share_what_is_left() -> None:
    budget = BudgetMiddleware(3_000)
    inner = agent_of(Scripted(script=looking_for_ever), [look], middleware=[budget])

    @tool
    async def delegate(task: int) -> str:
        """Have a subagent do it."""
        result = await inner.ainvoke({"messages": [HumanMessage(f"look {task}")]})
        return str(result["messages"][-1].text)

    two = AIMessage(
        "",
        tool_calls=[*calls("delegate", task=1).tool_calls, *calls("delegate", task=2).tool_calls],
        usage_metadata=used(100, 20),
    )
    model = Scripted(script=[two, says("Done.")])
    agent = agent_of(model, [delegate], middleware=[budget])
    result = asyncio.run(agent.ainvoke(ASK))
    assert result["messages"][-1].text == "Done."
    assert 1_500 < spent(result) <= 3_000


def test_two_runs_of_one_object_have_accounts_of_their_own() -> None:
    budget = BudgetMiddleware(2_000)
    agent = agent_of(Scripted(script=looking_for_ever), [look], middleware=[budget])

    async def both() -> list[Any]:
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(agent.ainvoke(ASK)) for _ in range(2)]
        return [one.result() for one in runs]

    one, other = asyncio.run(both())
    assert spent(one) == spent(other) > 1_000
    assert one["its_budget"]["account"] != other["its_budget"]["account"]


def test_a_thread_goes_on_where_it_stood_in_another_process(run: Any) -> None:
    saver = InMemorySaver(serde=JsonPlusSerializer(pickle_fallback=False))
    config = {"configurable": {"thread_id": "1"}}

    def agent(*lines: AIMessage) -> Any:
        model = Scripted(script=list(lines))
        return agent_of(model, middleware=[BudgetMiddleware(1_200)], checkpointer=saver)

    assert spent(run(agent(says("One.", 300, 50)), ASK, config)) == 350
    assert spent(run(agent(says("Two.", 300, 50)), ASK, config)) == 700
    last = agent(says("Three.", 360, 40))
    assert spent(run(last, ASK, config)) == 1_100
    with pytest.raises(BudgetExceeded, match="agent run budget: .* compute requested"):
        run(agent(), {"messages": [HumanMessage("More? " * 100)]}, config)


def test_a_run_that_breaks_off_is_not_refunded(run: Any) -> None:
    config = {"configurable": {"thread_id": "1"}}
    model = Scripted(script=[calls("look", 300, 50, at=1), ConnectionError("gone"), says("There.")])
    budget = BudgetMiddleware(5_000)
    agent = agent_of(model, [look], middleware=[budget], checkpointer=InMemorySaver())
    with pytest.raises(ConnectionError):
        run(agent, ASK, config)
    result = run(agent, None, config)
    assert result["messages"][-1].text == "There."
    assert spent(result) > 350 + 120


def test_waiting_for_a_person_takes_no_time(run: Any) -> None:
    config = {"configurable": {"thread_id": "1"}}

    @tool
    def ask_person() -> str:
        """Ask."""
        return str(interrupt("well?"))

    model = Scripted(script=[calls("ask_person"), says("Thanks.")])
    budget = BudgetMiddleware(Budget(seconds=5))
    agent = agent_of(model, [ask_person], middleware=[budget], checkpointer=InMemorySaver())
    run(agent, ASK, config)
    time.sleep(0.3)
    result = run(agent, Command(resume="yes"), config)
    assert result["messages"][-1].text == "Thanks."
    assert result["its_budget"]["elapsed"] < 0.3


def test_a_structured_answer_is_still_given_at_the_end(run: Any) -> None:
    class Weather(BaseModel):
        """The weather."""

        sky: str

    def speak(messages: list[BaseMessage], asked: dict[str, Any]) -> AIMessage:
        name = "look" if "look" in asked["tools"] else "Weather"
        return calls(name, 250, 50, at=1) if name == "look" else calls(name, 250, 50, sky="blue")

    agent = agent_of(
        Scripted(script=speak),
        [look],
        middleware=[BudgetMiddleware(1_500)],
        response_format=ToolStrategy(Weather),
    )
    result = run(agent)
    assert result["structured_response"] == Weather(sky="blue")
    assert spent(result) <= 1_500


def test_a_model_that_solves_is_charged_by_its_receipt_and_kept_to_what_is_left(run: Any) -> None:
    backend = ScriptedBackend(lambda request, index: "So it is \\boxed{42}.")
    model = ChatITS(backend, max_compute_budget=50_000, strategy="self_consistency", max_tokens=40)
    agent = agent_of(model, middleware=[BudgetMiddleware(1_000)])
    result = run(agent, {"messages": [HumanMessage("What is 17 + 25?")]})
    receipt = result["messages"][-1].response_metadata["receipt"]
    assert receipt["budget"]["compute"] == 1_000
    assert spent(result) == receipt["spent"]["compute"] <= 1_000
    assert result["its_budget"]["spent"]["requests"] == receipt["spent"]["requests"]


def test_what_cannot_be_kept_is_refused_at_once() -> None:
    with pytest.raises(InvalidBudget, match="prices"):
        BudgetMiddleware(Budget(usd=1.0))
    with pytest.raises(InvalidBudget, match="greater than 0"):
        BudgetMiddleware(0)
    with pytest.raises(InvalidOption, match="kept must be"):
        BudgetMiddleware(100, kept=2.0)


def test_overlapping_work_counts_once() -> None:
    now = [0.0]
    watch = Stopwatch(lambda: now[0])
    with watch.running():
        now[0] = 1.0
        with watch.running():
            now[0] = 3.0
        now[0] = 4.0
    now[0] = 9.0
    assert watch() == 4.0
