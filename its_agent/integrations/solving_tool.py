"""solve: a tool with which any agent can have a problem solved inside a budget."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from langchain_core.tools import StructuredTool, ToolException
from pydantic import BaseModel, Field, create_model

from its_agent import loop
from its_agent.agent import Agent
from its_agent.budget import DEFAULT_COMPUTE, Budget, Usage
from its_agent.errors import InvalidInput, SolveFailed
from its_agent.integrations.accounts import accounts_around
from its_agent.integrations.apart import begun_apart
from its_agent.solution import Solution

DESCRIPTION = (
    "Solve a self-contained problem with extra thinking: mathematics, logic, multiple choice, or "
    "a question whose answer can be checked. Returns the answer, how sure it is, and how it was "
    "found out."
)


def solve_tool(
    agent: Agent,
    *,
    most: int | Budget = DEFAULT_COMPUTE,
    name: str = "solve",
    description: str = DESCRIPTION,
) -> StructuredTool:
    """Make the tool. `most` limits every call of it; a caller may ask for less.

    It gives `answer`, `text`, `confidence`, `status`, `stopped_because` and `spent`, in compute
    units. A problem that cannot be solved makes an error of the tool, for the agent to read. In an
    agent with a BudgetMiddleware it is paid from the run's account. Raises InvalidBudget.
    """
    limit = Budget.of(most)

    async def solve(problem: str, max_compute_budget: int | None = None) -> dict[str, Any]:
        budget = _within_accounts(_asked(limit, max_compute_budget))
        return await begun_apart(_solved(agent, problem, budget))

    def solve_here(problem: str, max_compute_budget: int | None = None) -> dict[str, Any]:
        work: Coroutine[Any, Any, dict[str, Any]] = solve(problem, max_compute_budget)
        return loop.run(work)

    return StructuredTool.from_function(
        func=solve_here,
        coroutine=solve,
        name=name,
        description=description,
        args_schema=_arguments(limit),
        handle_tool_error=True,
    )


def _arguments(limit: Budget) -> type[BaseModel]:
    at_most = limit.compute
    told = "without a limit" if at_most is None else f"at most {at_most:,}"
    return create_model(
        "Solve",
        problem=(str, Field(description="The whole problem; nothing else is known of it.")),
        max_compute_budget=(
            int | None,
            Field(
                default=None,
                gt=0,
                le=at_most,
                description=f"Tokens that the solution may cost, {told}; leave it out for all.",
            ),
        ),
    )


def _asked(limit: Budget, compute: int | None) -> Budget:
    return limit if compute is None else replace(limit, compute=compute)


def _within_accounts(budget: Budget) -> Budget:
    """The budget, as far as the runs around can pay it. Raises ToolException where they cannot."""
    for account in accounts_around():
        left = account.left
        for name in ("compute", "requests", "seconds"):
            rest, own = getattr(left, name), getattr(budget, name)
            if rest is not None and rest <= 0:
                raise ToolException(f"the budget of this task has no {name} left for it")
            if rest is not None:
                budget = replace(budget, **{name: rest if own is None else min(own, rest)})
    return budget


async def _solved(agent: Agent, problem: str, budget: Budget) -> dict[str, Any]:
    spent = Usage()
    try:
        solution = await agent.asolve(problem, max_compute_budget=budget)
        spent = solution.receipt.spent
    except SolveFailed as failure:
        spent = failure.receipt.spent
        raise ToolException(str(failure)) from failure
    except InvalidInput as refusal:
        raise ToolException(str(refusal)) from refusal
    finally:
        for account in accounts_around():
            account.charge(spent)
    return _told(solution)


def _told(solution: Solution) -> dict[str, Any]:
    return {
        "answer": solution.answer,
        "text": solution.text,
        "confidence": round(solution.confidence, 4),
        "status": solution.status,
        "stopped_because": solution.receipt.stopped_because,
        "spent": solution.receipt.spent.compute,
    }
