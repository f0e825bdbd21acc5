"""The state machine's shape, and that its state is plain data."""

from __future__ import annotations

import json

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from its_agent import Budget
from its_agent.backends import Reply, ScriptedBackend
from its_agent.backends.metered import MeteredBackend
from its_agent.difficulty.profile import profile_of
from its_agent.equality import AnswerEquality
from its_agent.events import Emitter
from its_agent.graphs.context import Context, Model, Settings
from its_agent.graphs.solve import PATHS, solve_graph
from its_agent.graphs.state import merge_by_id, new_state
from its_agent.ledger import Ledger
from its_agent.policy import STRATEGIES

TOPOLOGY = """graph TD;
	__start__([<p>__start__</p>]):::first
	estimate(estimate)
	route(route)
	verify(verify)
	single_pass(single_pass)
	attempts(attempts)
	judging(judging)
	refine(refine)
	search(search)
	thinking(thinking)
	__end__([<p>__end__</p>]):::last
	__start__ --> estimate;
	attempts --> verify;
	estimate --> route;
	judging --> verify;
	refine --> verify;
	route -.-> __end__;
	route -.-> attempts;
	route -.-> judging;
	route -.-> refine;
	route -.-> search;
	route -.-> single_pass;
	route -.-> thinking;
	thinking --> verify;
	search --> verify;
	single_pass --> verify;
	verify -.-> __end__;
	verify -.-> route;
"""


def drawn(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if "-->" in line or "-.->" in line]


def test_the_topology_is_the_one_in_the_house_plan() -> None:
    mermaid = solve_graph().compile().get_graph().draw_mermaid(with_styles=False)
    assert sorted(drawn(mermaid)) == sorted(drawn(TOPOLOGY))


def test_refine_and_search_loop_inside_their_paths() -> None:
    refine = drawn(PATHS["refine"]().compile().get_graph().draw_mermaid(with_styles=False))
    search = drawn(PATHS["search"]().compile().get_graph().draw_mermaid(with_styles=False))
    assert {"weigh -.-> critique;", "weigh -.-> improve;", "improve -.-> weigh;"} <= set(refine)
    assert "expand -.-> expand;" in search or "expand -.-> harvest;" in search


def test_a_subgraph_that_hands_back_what_it_got_adds_nothing_twice() -> None:
    old = [{"id": "c1", "text": "a"}, {"id": "c2", "text": "b"}]
    merged = merge_by_id(old, [{"id": "c2", "text": "B"}, {"id": "c3", "text": "c"}])
    assert json.dumps(merged) == json.dumps(
        [{"id": "c1", "text": "a"}, {"id": "c2", "text": "B"}, {"id": "c3", "text": "c"}]
    )


async def test_the_checkpointed_state_is_plain_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "true")
    reply = Reply(text="So it is \\boxed{18}.", tokens=20)
    backend = ScriptedBackend(lambda request, index: reply)
    ledger = Ledger(Budget(compute=3000))
    emit = Emitter(ledger)
    saver = InMemorySaver()
    async with AnswerEquality() as equality:
        context = Context(
            models={
                "": Model(
                    backend=backend,
                    door=MeteredBackend(backend, ledger, emit, offer=await backend.offer()),
                    offer=await backend.offer(),
                    profile=profile_of("scripted"),
                )
            },
            ledger=ledger,
            emit=emit,
            equality=equality,
            strategy=STRATEGIES["adaptive"],
            settings=Settings(sources=frozenset()),
        )
        graph = solve_graph().compile(checkpointer=saver)
        question = {"role": "user", "content": "How many eggs are in 3 boxes of 6?"}
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        await graph.ainvoke(
            new_state([question], "math", budget=Budget(compute=4_000)), thread, context=context
        )
        saved = await graph.aget_state(thread)
    assert json.loads(json.dumps(saved.values))["candidates"][0]["answer"] == "18"
    assert saved.values["books"]["spent"]["generate"]["compute"] == ledger.spent.compute
    history = [step.values async for step in graph.aget_state_history(thread)]
    planned = [values["plan"] for values in history if values.get("plan")]
    assert planned[-1]["at_most"] >= ledger.spent.compute
