"""Many problems inside one total, which is spent where it pays most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from its_agent.budget import Budget
from its_agent.errors import ItsAgentError
from its_agent.policy.market import Market
from its_agent.solution import Solution

T = TypeVar("T")


async def solve_each(
    problems: Sequence[T],
    solve: Callable[[T, Budget], Awaitable[Solution]],
    *,
    budget: Budget,
    market: Market | None,
    concurrency: int,
) -> list[Solution | ItsAgentError]:
    """Solve them in turn, `concurrency` at once, each inside the budget and what the market lets it
    take while others wait; a Solution or the error that its solve ended with, in their order."""
    places, waiting = asyncio.Semaphore(concurrency), len(problems)

    async def one(problem: T) -> Solution | ItsAgentError:
        nonlocal waiting
        async with places:
            waiting -= 1
            allowance = None if market is None else market.allowance(waiting)
            try:
                return await solve(problem, _within(budget, allowance))
            except ItsAgentError as error:
                return error

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(problem)) for problem in problems]
    return [task.result() for task in tasks]


def _within(budget: Budget, most: int | None) -> Budget:
    """The budget with no more compute than that."""
    if most is None or (budget.compute is not None and budget.compute <= most):
        return budget
    return replace(budget, compute=most)
