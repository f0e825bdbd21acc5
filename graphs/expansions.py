"""What a search asks the engine for: the request of every expansion, and what it may cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.fitting import MIN_TOKENS
from its_agent.backends.protocol import Request
from its_agent.budget import Usage
from its_agent.graphs.algorithms import ALGORITHMS
from its_agent.graphs.context import Context
from its_agent.graphs.intent import intent
from its_agent.graphs.sampling import prompt
from its_agent.graphs.standing import Standing
from its_agent.graphs.state import Plain, State
from its_agent.policy import Buy
from its_agent.search import ROOT, Expansion, Search

ARM = "step_by_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An expansion, and the request that it is bought with; None where the path has used up its
    tokens."""

    expansion: Expansion
    request: Request | None

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends its steps."""
        return self.request.stop if self.request is not None else ()


def algorithm_of(context: Context, name: str) -> Search:
    """The search of that name, as it is set for the agent's step score."""
    return ALGORITHMS[name].search_by(context.settings.step_score.scale)


def orders_of(
    state: State, context: Context, standing: Standing, wave: Sequence[Expansion]
) -> list[Order]:
    """What a wave is bought with."""
    return [Order(expansion=e, request=_request(state, context, standing, e)) for e in wave]


def _request(
    state: State, context: Context, standing: Standing, expansion: Expansion
) -> Request | None:
    question = prompt(state, context, ARM)
    partial = standing.text(expansion.node)
    begun = ({"role": "assistant", "content": partial},) if expansion.node != ROOT else ()
    settings = context.settings
    left = settings.max_tokens - standing.weight(expansion.node).tokens
    if left < MIN_TOKENS:
        return None
    return Request(
        messages=(*question, *begun),
        n=expansion.width,
        max_tokens=left if expansion.to_end else min(left, most_tokens(context)),
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop=() if expansion.to_end else settings.steps.stop,
        top_logprobs=settings.step_score.top_logprobs,
        continue_partial=bool(begun),
    )


def most_tokens(context: Context) -> int:
    """Most tokens of one step."""
    return context.settings.steps.most(context.settings.step_tokens)


def worst_of(state: State, context: Context, standing: Standing, expansion: Expansion) -> int:
    """Compute units that the steps of an expansion cost at most, and their scores."""
    read = state.prompt_tokens + standing.weight(expansion.node).tokens
    tokens = read + expansion.width * most_tokens(context)
    score = context.settings.step_score.worst(read + most_tokens(context))
    return math.ceil(tokens * context.backend.relative_cost) + expansion.width * score.compute


def whole_path(state: State, context: Context) -> int:
    """Compute units that a path costs at most from the beginning to its end, and so any rest."""
    tokens = state.prompt_tokens + context.settings.max_tokens
    return math.ceil(tokens * context.backend.relative_cost)


async def wave_intent(
    state: State,
    context: Context,
    standing: Standing,
    orders: Sequence[Order],
    *,
    share: float | None,
) -> Plain | None:
    """What a wave reserves at most of its share, its scores included."""
    scores = [] if standing.is_ending else [_scores(state, context, standing, o) for o in orders]
    requests = [order.request for order in orders if order.request is not None]
    return await intent(context, requests, beside=sum(scores, Usage()), most=share)


async def root_intent(
    state: State, context: Context, decision: Buy, *, share: float | None
) -> Plain | None:
    """What the first `expand` reserves at most."""
    algorithm = algorithm_of(context, decision.arm)
    start = Standing(search=algorithm.start())
    orders = orders_of(state, context, start, algorithm.ask(start.search))
    return await wave_intent(state, context, start, orders, share=share)


def _scores(state: State, context: Context, standing: Standing, order: Order) -> Usage:
    if order.request is None:
        return Usage()
    path = state.prompt_tokens + standing.weight(order.expansion.node).tokens
    each = context.settings.step_score.worst(path + order.request.max_tokens)
    return sum((each for _ in range(order.request.n)), Usage())
