"""The tool that solves: what it is told, what it gives, and who pays."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_tests.unit_tests import ToolsUnitTests
from pydantic import ValidationError
from scripted_agent import Scripted, agent_of, calls, says

from its_agent import Agent, Budget
from its_agent.backends.scripted import ScriptedBackend
from its_agent.errors import BackendLost
from its_agent.integrations import BudgetMiddleware, solve_tool

PROBLEM = "What is 17 + 25?"
KEYS = {"answer", "text", "confidence", "status", "stopped_because", "spent"}


def agent(**options: Any) -> Agent:
    return Agent(ScriptedBackend(lambda request, index: "So it is \\boxed{42}."), **options)


def called(**arguments: Any) -> Any:
    return {"name": "solve", "args": arguments, "id": "1", "type": "tool_call"}


class TestStandard(ToolsUnitTests):
    @property
    def tool_constructor(self) -> Any:
        return solve_tool(agent())

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"problem": PROBLEM, "max_compute_budget": 2_000}


async def test_it_gives_the_answer_with_its_confidence_and_status_as_data() -> None:
    tool = solve_tool(agent())
    here = tool.invoke({"problem": PROBLEM})
    there = await tool.ainvoke({"problem": PROBLEM})
    assert here == there
    assert here.keys() == KEYS
    assert (here["answer"], here["status"]) == ("42", "agreed")
    assert here["confidence"] > 0.8


def test_a_caller_may_ask_for_less_and_not_for_more() -> None:
    tool = solve_tool(agent(strategy="self_consistency", max_tokens=40), most=1_000)
    assert tool.invoke({"problem": PROBLEM, "max_compute_budget": 200})["spent"] <= 200
    with pytest.raises(ValidationError, match="less than or equal to 1000"):
        tool.invoke({"problem": PROBLEM, "max_compute_budget": 2_000})


@pytest.mark.parametrize(
    ("script", "problem", "said"),
    [
        ([BackendLost("the server went away")] * 9, PROBLEM, "the backend was lost"),
        (["So it is \\boxed{42}."], " ", "the problem is empty"),
    ],
)
def test_a_failure_is_an_error_of_the_tool(script: Any, problem: str, said: str) -> None:
    tool = solve_tool(Agent(ScriptedBackend(script)))
    message = tool.invoke(called(problem=problem))
    assert isinstance(message, ToolMessage)
    assert message.status == "error"
    assert said in message.text


def test_a_run_with_a_budget_pays_for_it_and_limits_it() -> None:
    solver = agent(strategy="self_consistency", max_tokens=40)
    budget = BudgetMiddleware(2_000)
    model = Scripted(script=[calls("solve", problem=PROBLEM), says("It is 42.")])
    runner = agent_of(model, [solve_tool(solver, most=50_000)], middleware=[budget])
    result = runner.invoke({"messages": [HumanMessage("Solve it.")]})
    spent = result["its_budget"]["spent"]
    assert result["messages"][-1].text == "It is 42."
    assert 240 + 300 < spent["compute"] <= 2_000
    assert spent["completion_tokens"] > 300


def test_a_budget_that_is_spent_is_told_to_the_agent() -> None:
    budget = BudgetMiddleware(Budget(requests=2))
    model = Scripted(script=[calls("solve", problem=PROBLEM), says("I cannot.")])
    runner = agent_of(model, [solve_tool(agent())], middleware=[budget])
    result = runner.invoke({"messages": [HumanMessage("Solve it.")]})
    assert "no requests left" in result["messages"][2].text
    assert result["messages"][2].status == "error"
    assert result["messages"][-1].text == "I cannot."
