"""solve: a tool with which any agent can have a problem solved inside a budget."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from langchain_core.tools import StructuredTool, ToolException
from pydantic import BaseModel, Field, create_model

from its_agent import loop
from its_agent.agent import Agent
from its_agent.budget import DEFAULT_COMPUTE, Budget, Usage
from its_agent.errors import BudgetExceeded, InvalidInput, SolveFailed
from its_agent.integrations.accounts import accounts_around
from its_agent.integrations.apart import begun_apart
from its_agent.integrations.run_account import RunAccount
from its_agent.ledger import Ledger, Reservation
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
        return await begun_apart(_solved(agent, problem, _asked(limit, max_compute_budget)))

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


async def _solved(agent: Agent, problem: str, most: Budget) -> dict[str, Any]:
    with _paid(agent, most) as ledger:
        try:
            solution = await agent.asolve(problem, max_compute_budget=ledger.budget, ledger=ledger)
        except (SolveFailed, InvalidInput) as failure:
            raise ToolException(str(failure)) from failure
    return _told(solution)


@contextmanager
def _paid(agent: Agent, budget: Budget) -> Generator[Ledger]:
    """A ledger of what the runs around can pay; they are charged what it has spent, whatever ends
    the solve. Raises ToolException where they can pay nothing."""
    prices, spent = agent.solver.prices, Usage()
    held: list[tuple[RunAccount, Reservation]] = []
    try:
        for account in accounts_around():
            budget, reservation = _set_aside(account, budget, is_priced=prices is not None)
            held.append((account, reservation))
        ledger = Ledger(budget, prices=prices)
        try:
            yield ledger
        finally:
            spent = ledger.spent
    finally:
        for account, reservation in held:
            account.settle(reservation, spent)


def _set_aside(
    account: RunAccount, budget: Budget, *, is_priced: bool
) -> tuple[Budget, Reservation]:
    limits = ("compute", "requests", "seconds", *(("usd",) if is_priced else ()))
    try:
        return account.set_aside(budget, limits)
    except BudgetExceeded as short:
        raise ToolException(
            f"the budget of this task has no {short.limit} left for it that other calls do not hold"
        ) from short


def _told(solution: Solution) -> dict[str, Any]:
    return {
        "answer": solution.answer,
        "text": solution.text,
        "confidence": round(solution.confidence, 4),
        "status": solution.status,
        "stopped_because": solution.receipt.stopped_because,
        "spent": solution.receipt.spent.compute,
    }
