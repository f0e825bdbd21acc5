"""The agent as a node of another graph: streams, checkpoints, approvals, cancellation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from its_agent import Agent
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidBudget, InvalidProblem

QUESTION = HumanMessage("How many eggs are there in 3 boxes of 6?")
THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}


def never_twice(request: Request, index: int) -> Reply:
    return Reply(text=rf"So it is \boxed{{{index}}}.", tokens=60)


def right(request: Request, index: int) -> Reply:
    return Reply(text=r"So it is \boxed{18}.", tokens=60)


def agent_of(backend: ScriptedBackend, **options: Any) -> Agent:
    return Agent(backend, estimate=(), max_tokens=100, **options)


def host_of(agent: Agent, *, approve: bool = False) -> Any:
    """A graph that has the agent for its only node, with a memory of its own."""
    graph = StateGraph(MessagesState)
    graph.add_node("solver", agent.graph(approve=approve))
    graph.add_edge(START, "solver")
    return graph.compile(checkpointer=InMemorySaver())


async def test_the_answer_is_a_message_with_its_receipt() -> None:
    async with agent_of(ScriptedBackend(right)) as agent:
        result = await agent.graph().ainvoke({"messages": [QUESTION], "max_compute_budget": 900})
    answer = result["messages"][-1]
    assert isinstance(answer, AIMessage)
    assert answer.response_metadata["answer"] == result["solution"]["answer"] == "18"
    spent = answer.response_metadata["receipt"]["spent"]
    assert spent["compute"] <= 900
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == spent["completion_tokens"] > 0


async def test_a_host_sees_the_progress_and_keeps_the_conversation() -> None:
    async with agent_of(ScriptedBackend(right)) as agent:
        host, told = host_of(agent), list[str]()
        stream = host.astream(
            {"messages": [QUESTION]}, THREAD, stream_mode="custom", subgraphs=True
        )
        async for _, event in stream:
            told.append(event["event"])
        await host.ainvoke({"messages": [HumanMessage("And in 3 boxes of 6 apples?")]}, THREAD)
        messages = (await host.aget_state(THREAD)).values["messages"]
    assert {"routed", "sampled", "judged", "spent"} <= set(told)
    assert [message.type for message in messages] == ["human", "ai", "human", "ai"]


async def test_a_host_sees_the_pieces_as_plain_data() -> None:
    async with agent_of(ScriptedBackend(right), strategy="single_pass") as agent:
        stream = agent.graph().astream({"messages": [QUESTION]}, stream_mode="custom")
        told = json.loads(json.dumps([event async for event in stream]))
    pieces = [one for one in told if one["event"] == "generating"]
    assert "".join(one["text"] for one in pieces) == r"So it is \boxed{18}."
    assert {type(one["held"]["compute"]) for one in told} == {int}


async def test_a_host_is_interrupted_to_approve_more() -> None:
    backend = ScriptedBackend(never_twice)
    async with agent_of(backend) as agent:
        host = host_of(agent, approve=True)
        stopped = await host.ainvoke({"messages": [QUESTION]}, THREAD)
        (pending,) = stopped["__interrupt__"]
        assert 0 < pending.value["spent"] <= 4_000
        bought = len(backend.requests)
        done = await host.ainvoke(Command(resume=0), THREAD)
    assert done["messages"][-1].type == "ai"
    assert len(backend.requests) == bought, "nothing is bought without a grant"


async def test_a_sure_answer_needs_no_approval() -> None:
    async with agent_of(ScriptedBackend(right)) as agent:
        done = await host_of(agent, approve=True).ainvoke({"messages": [QUESTION]}, THREAD)
    assert done["messages"][-1].type == "ai"


async def test_a_grant_goes_on_where_the_budget_ended() -> None:
    backend = ScriptedBackend(never_twice)
    async with agent_of(backend) as agent:
        graph = agent.graph(approve=True)
        graph.checkpointer = InMemorySaver()
        given = {"messages": [QUESTION], "max_compute_budget": 300}
        first = await graph.ainvoke(given, THREAD)
        more = await graph.ainvoke(Command(resume=400), THREAD)
        receipt, before = more["solution"]["receipt"], first["solution"]["receipt"]
        assert receipt["budget"]["compute"] == 700
        assert before["spent"]["compute"] < receipt["spent"]["compute"] <= 700
        old = [one["id"] for one in first["solution"]["candidates"]]
        assert [one["id"] for one in more["solution"]["candidates"]][: len(old)] == old
        assert receipt["spent"]["completion_tokens"] == backend.generated_tokens
        with pytest.raises(InvalidBudget, match="whole number"):
            await graph.ainvoke(Command(resume="plenty"), THREAD)


async def test_a_grant_that_was_cut_off_is_not_for_the_next_problem() -> None:
    backend = ScriptedBackend(never_twice)
    async with agent_of(backend) as agent:
        graph = agent.graph(approve=True)
        graph.checkpointer = InMemorySaver()
        await graph.ainvoke({"messages": [QUESTION], "max_compute_budget": 300}, THREAD)
        asked = len(backend.requests)
        going_on = asyncio.create_task(graph.ainvoke(Command(resume=400), THREAD))
        while len(backend.requests) == asked:
            await asyncio.sleep(0)
        going_on.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going_on
        next_one = HumanMessage("How many legs have 7 spiders?")
        await graph.ainvoke({"messages": [next_one], "max_compute_budget": 300}, THREAD)
    assert "spiders" in str(backend.requests[-1].messages)


async def test_cancelling_the_host_cancels_the_requests() -> None:
    backend = ScriptedBackend(right, delay=0.05)
    async with agent_of(backend) as agent:
        running = asyncio.create_task(host_of(agent).ainvoke({"messages": [QUESTION]}, THREAD))
        while not backend.requests:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert backend.aborted == 1


async def test_a_conversation_without_a_question_is_refused() -> None:
    backend = ScriptedBackend(right)
    async with agent_of(backend) as agent:
        with pytest.raises(InvalidProblem):
            await agent.graph().ainvoke({"messages": []})
    assert not backend.requests


async def test_going_back_in_the_hosts_history_answers_anew() -> None:
    async with agent_of(ScriptedBackend(right)) as agent:
        host = host_of(agent)
        await host.ainvoke({"messages": [QUESTION]}, THREAD)
        history = [snapshot async for snapshot in host.aget_state_history(THREAD)]
        before = next(one for one in history if one.next == ("solver",))
        again = await host.ainvoke(None, before.config)
    assert [message.type for message in again["messages"]] == ["human", "ai"]
