"""route: ask the policy for the next purchase, and write it down before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from langgraph.runtime import Runtime
from langgraph.types import Command

from its_agent.backends.protocol import Request
from its_agent.errors import BackendError, BudgetExceeded
from its_agent.events import Routed
from its_agent.graphs.context import Context
from its_agent.graphs.decision import decided
from its_agent.graphs.expansions import root_intent
from its_agent.graphs.forcing import first_requests
from its_agent.graphs.intent import intent
from its_agent.graphs.judging import scorer_named, unseen, worst_judging
from its_agent.graphs.refine import draft_requests
from its_agent.graphs.single_pass import buy_requests
from its_agent.graphs.state import Plain, State, Update, candidates_of, flat, note
from its_agent.policy import Buy, Situation, Stop
from its_agent.policy.protocol import SamplingPath

FIRST_REQUESTS: Mapping[SamplingPath, Callable[[State, Context, Buy], list[Request]]] = {
    "single_pass": buy_requests,
    "attempts": buy_requests,
    "refine": draft_requests,
    "thinking": first_requests,
}
"""What the first superstep of a path will ask for; a search scores what it gets, too."""
Next: TypeAlias = Literal[
    "single_pass", "attempts", "refine", "search", "thinking", "judging", "__end__"
]


async def route(state: State, runtime: Runtime[Context]) -> Command[Next]:
    """Decide what to buy next, or to stop."""
    context = runtime.context
    try:
        found = await decided(state, context)
    except (BackendError, BudgetExceeded) as trouble:
        reason = "backend_lost" if isinstance(trouble, BackendError) else context.door.interruption
        why = Stop(reason=reason, why=str(trouble))
        return _stop(context, why, Update(), number=len(state.steps) + 1)
    decision, told = found.decision, _told(state, found.state)
    if isinstance(decision, Stop):
        return _stop(context, decision, told)
    context.emit(
        Routed,
        path=decision.path,
        arm=decision.arm,
        samples=decision.samples,
        why=decision.why,
        model=context.model(decision.model).name,
    )
    at_most = _at_most(decision, found.situation.of(decision.model))
    update = Update(
        plan={**flat(decision), "at_most": at_most},
        intent=await _intent(found.state, context, decision, at_most),
        bought=None,
    )
    return Command(update=update | told, goto=decision.path)


def _told(before: State, after: State) -> Update:
    """What has become known of the prompt."""
    return Update() if after is before else Update(task=after.task)


async def _intent(
    state: State, context: Context, decision: Buy, at_most: float | None
) -> Plain | None:
    if not context.durable:
        return None
    if decision.path == "search":
        return await root_intent(state, context, decision, share=at_most)
    if decision.path == "judging":
        scorer = scorer_named(context, decision.arm)
        new = unseen(state, scorer, candidates_of(state))
        return flat(worst_judging(state, scorer, new))
    requests = FIRST_REQUESTS[decision.path](state, context, decision)
    return await intent(context, requests, model=decision.model)


def _stop(
    context: Context, decision: Stop, told: Update, *, number: int | None = None
) -> Command[Next]:
    context.emit(Routed, path="stop", arm=decision.reason, samples=0, why=decision.why)
    update = Update(plan=None, stopped_because=decision.reason) | told
    if number is not None:
        update["notes"] = [note(number, decision.why)]
    return Command(update=update, goto="__end__")


def _at_most(decision: Buy, situation: Situation) -> float | None:
    """Compute units that the purchase may cost; None for all that is left, without a limit."""
    left = situation.remaining.compute
    if decision.path in ("refine", "search", "thinking", "judging"):
        return None if left is None else left * decision.share
    requests = 1 + (decision.greedy_first and decision.samples > 1)
    tokens = requests * situation.prompt_tokens + decision.samples * situation.max_tokens
    price = tokens * situation.token_cost
    return price if left is None else min(price, left)
