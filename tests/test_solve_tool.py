"""The tool that solves: what it is told, what it gives, and who pays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
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
from its_agent.integrations.accounts import Accounts
from its_agent.integrations.run_account import RunAccount, Shares

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


@asynccontextmanager
async def inside_a_tool(budget: Budget) -> AsyncGenerator[RunAccount]:
    """The account of a run, one of whose tools is under way."""
    shares = Shares(short=0.3, kept=0.1)
    accounts = Accounts(budget, None, shares)
    account = accounts.of({})
    with accounts.around_tool(account):
        yield account


async def test_solves_side_by_side_do_not_spend_the_same_budget_twice() -> None:
    wavering = ScriptedBackend(lambda request, index: f"It is \\boxed{{{index}}}." + " so" * 40)
    tool = solve_tool(Agent(wavering, strategy="self_consistency"), most=800)
    async with inside_a_tool(Budget(compute=2_000)) as account:
        asked = [tool.ainvoke(called(problem=PROBLEM)) for _ in range(4)]
        answers = await asyncio.gather(*asked)
        assert account.left.compute is not None
        assert 200 <= account.left.compute < 400
        assert account.left.compute <= 2_000 - wavering.generated_tokens
    assert [one.status for one in answers] == ["success", "success", "success", "error"]
    assert "no compute left for it that other calls do not hold" in answers[-1].text


async def test_a_solve_that_is_cancelled_is_paid_for() -> None:
    slow = ScriptedBackend(lambda request, index: "So it is " * 40, delay=0.01)
    tool = solve_tool(Agent(slow, strategy="self_consistency"))
    async with inside_a_tool(Budget(compute=5_000)) as account:
        solving = asyncio.create_task(tool.ainvoke(called(problem=PROBLEM)))
        while slow.generated_tokens < 100:
            await asyncio.sleep(0.01)
        solving.cancel()
        await asyncio.wait([solving])
        assert solving.cancelled()
        assert account.left.compute is not None
        assert account.left.compute <= 5_000 - slow.generated_tokens
