"""solve: one problem, with an agent made for it."""

from __future__ import annotations

from collections.abc import Mapping

from its_agent import loop
from its_agent.agent import Agent, BackendLike, ProblemLike
from its_agent.budget import DEFAULT_COMPUTE, Budget
from its_agent.solution import Solution


def solve(
    problem: ProblemLike,
    *,
    max_compute_budget: int | Budget = DEFAULT_COMPUTE,
    backend: BackendLike | Mapping[str, BackendLike] | None = None,
    strategy: str = "adaptive",
) -> Solution:
    """Solve one problem with an agent of its own; see `Agent` and `Agent.asolve`."""

    async def once() -> Solution:
        async with Agent(backend, strategy=strategy) as agent:
            return await agent.asolve(problem, max_compute_budget=max_compute_budget)

    return loop.run(once())
