"""single_pass: one sample of one prompt, the cheapest thing there is."""

from __future__ import annotations

from langgraph.runtime import Runtime

from its_agent.backends.protocol import Request
from its_agent.graphs.context import Context
from its_agent.graphs.purchase import paid
from its_agent.graphs.sampling import attempt, wave_requests
from its_agent.graphs.state import State, Update
from its_agent.policy import Buy


async def single_pass(state: State, runtime: Runtime[Context]) -> Update:
    """Take one sample."""
    return await buy_samples(state, runtime.context, path="single_pass")


def buy_requests(state: State, context: Context, decision: Buy) -> list[Request]:
    """What `buy_samples` will ask for."""
    return wave_requests(
        state,
        context,
        model=context.model(decision.model),
        arm=decision.arm,
        samples=decision.samples,
        greedy_first=decision.greedy_first,
    )


async def buy_samples(state: State, context: Context, *, path: str) -> Update:
    """Take the samples that the plan names."""
    plan = state.plan
    assert plan is not None
    taken = await attempt(
        state,
        context,
        path=path,
        arm=plan["arm"],
        samples=plan["samples"],
        greedy_first=plan["greedy_first"],
        model=plan["model"],
        until_decided=plan["until_decided"],
        lead=plan["lead"],
    )
    return paid(state, context, taken, path=path, arm=plan["arm"])
