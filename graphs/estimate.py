"""estimate: what is known of the difficulty before the first sample."""

from __future__ import annotations

from langgraph.runtime import Runtime

from its_agent.backends.protocol import Request
from its_agent.difficulty import Belief, Evidence
from its_agent.difficulty.self_report import MAX_SHARE, TOP_LOGPROBS, read_self_report
from its_agent.difficulty.text_features import read_text
from its_agent.errors import BackendError, BudgetExceeded
from its_agent.events import Estimated
from its_agent.graphs.context import Context
from its_agent.graphs.intent import intent
from its_agent.graphs.purchase import books
from its_agent.graphs.sampling import buy
from its_agent.graphs.state import Plain, State, Update
from its_agent.prompts import ask


async def estimate(state: State, runtime: Runtime[Context]) -> Update:
    """Ask the sources that are switched on and cheap enough; the first samples come later."""
    context = runtime.context
    belief = Belief()
    for source in (_from_text, _from_self_report):
        evidence = await source(state, context)
        if evidence is not None:
            belief = belief.after(evidence)
            context.emit(Estimated, source=evidence.source, success=belief.success)
    return Update(belief=belief.to_plain(), intent=None) | books(context)


async def _from_text(state: State, context: Context) -> Evidence | None:
    if "text_features" not in context.settings.sources:
        return None
    return read_text(state.question)


async def estimate_intent(state: State, context: Context) -> Plain | None:
    """What the estimate reserves at most; None where nothing is asked, or nothing checkpointed."""
    request = await _self_report(state, context) if context.durable else None
    return None if request is None else await intent(context, [request])


async def _self_report(state: State, context: Context) -> Request | None:
    """The question, where it may be asked and is cheap enough."""
    asked = "self_report" in context.settings.sources and context.door.can("top_logprobs")
    request = self_report_request(state)
    return request if asked and await _cheap(context, request) else None


async def _from_self_report(state: State, context: Context) -> Evidence | None:
    request = await _self_report(state, context)
    if request is None:
        return None
    taken = await buy(context, request, purpose="estimate")
    samples = [sample for purchase in taken.purchases for sample in purchase.samples]
    if not samples:
        return None
    return read_self_report(samples[0].first_top_logprobs, compute=taken.usage.compute)


def self_report_request(state: State) -> Request:
    """One token that says whether the model believes it knows."""
    return Request(
        messages=ask("i_know", state.messages, state.answer_type),
        max_tokens=1,
        temperature=0.0,
        top_p=1.0,
        top_logprobs=TOP_LOGPROBS,
    )


async def _cheap(context: Context, request: Request) -> bool:
    if await context.backend.supply(request) == 0:
        return False
    known = context.door.prompt_bound(request)
    if known is not None and _is_cheap(context, request, known.tokens):
        return True
    try:
        return _is_cheap(context, request, await context.door.count_prompt(request))
    except (BackendError, BudgetExceeded):
        # The first purchase meets the same trouble, and is where it is told.
        return False


def _is_cheap(context: Context, request: Request, prompt: int) -> bool:
    left = context.ledger.unspent.compute
    price = (prompt + request.max_tokens) * context.backend.relative_cost
    return left is None or price <= MAX_SHARE * left
