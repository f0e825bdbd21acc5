"""route: ask the policy for the next purchase, and write it down before it is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from langgraph.runtime import Runtime
from langgraph.types import Command

from its_agent.answers import canonical
from its_agent.backends.protocol import Request
from its_agent.difficulty import Belief
from its_agent.difficulty.answer_belief import AnswerBelief
from its_agent.errors import BackendError, BudgetExceeded
from its_agent.events import Routed
from its_agent.graphs.believing import believed
from its_agent.graphs.context import Context
from its_agent.graphs.conversation import usual_arm
from its_agent.graphs.expansions import root_intent
from its_agent.graphs.forcing import first_requests
from its_agent.graphs.intent import intent
from its_agent.graphs.judging import scorer_named, unseen, worst_judging
from its_agent.graphs.refine import draft_requests
from its_agent.graphs.sampling import prompt
from its_agent.graphs.single_pass import buy_requests
from its_agent.graphs.state import Plain, State, Update, candidates_of, flat, note, verdict_of
from its_agent.policy import SCORE, Buy, Situation, Stop
from its_agent.policy.judged import decide
from its_agent.policy.protocol import TYPICAL_TOKENS, SamplingPath, Scoring
from its_agent.prompts import ARMS
from its_agent.solution import Candidate, Problem

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
IN_VAIN = Stop(reason="no_gain", why="the last purchase could not be made")


async def route(state: State, runtime: Runtime[Context]) -> Command[Next]:
    """Decide what to buy next, or to stop."""
    context = runtime.context
    try:
        situation = await situation_of(state, context)
    except (BackendError, BudgetExceeded) as trouble:
        reason = "backend_lost" if isinstance(trouble, BackendError) else context.door.interruption
        return _stop(context, Stop(reason=reason, why=str(trouble)), number=len(state.steps) + 1)
    decision = decide(context.strategy.policy, situation) if _fruitful(state) else IN_VAIN
    if isinstance(decision, Stop):
        return _stop(context, decision)
    context.emit(
        Routed, path=decision.path, arm=decision.arm, samples=decision.samples, why=decision.why
    )
    at_most = _at_most(decision, situation)
    update = Update(
        plan={**flat(decision), "at_most": at_most},
        intent=await _intent(state, context, decision, at_most),
        bought=None,
    )
    return Command(update=update, goto=decision.path)


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
    return await intent(context, FIRST_REQUESTS[decision.path](state, context, decision))


def _stop(context: Context, decision: Stop, *, number: int | None = None) -> Command[Next]:
    context.emit(Routed, path="stop", arm=decision.reason, samples=0, why=decision.why)
    update = Update(plan=None, stopped_because=decision.reason)
    if number is not None:
        update["notes"] = [note(number, decision.why)]
    return Command(update=update, goto="__end__")


def _fruitful(state: State) -> bool:
    """Whether the last purchase brought anything at all; the same one would fail again."""
    if not state.steps or state.steps[-1]["path"] == "judging":
        return True
    return bool(state.steps[-1]["spent"]["compute"] > 0)


def _at_most(decision: Buy, situation: Situation) -> float | None:
    """Compute units that the purchase may cost; None for all that is left, without a limit."""
    left = situation.remaining.compute
    if decision.path in ("refine", "search", "thinking", "judging"):
        return None if left is None else left * decision.share
    requests = 1 + (decision.greedy_first and decision.samples > 1)
    tokens = requests * situation.prompt_tokens + decision.samples * situation.max_tokens
    price = tokens * situation.token_cost
    return price if left is None else min(price, left)


async def situation_of(state: State, context: Context) -> Situation:
    """Gather what a policy may look at."""
    candidates = candidates_of(state)
    ended = [c for c in candidates if c.finish != "aborted"]
    verdict = verdict_of(state)
    leading = verdict.answer if verdict else None
    return Situation(
        question=Problem(state.messages).question,
        answer_type=state.answer_type,
        belief=Belief.from_plain(state.belief),
        remaining=context.ledger.unspent,
        prompt_tokens=state.prompt_tokens,
        max_tokens=context.settings.max_tokens,
        unit_price=context.market.price if context.market else None,
        token_cost=context.backend.relative_cost,
        bought=Counter(step["path"] for step in state.steps),
        samples=len(ended),
        sample_tokens=sum(c.usage.completion_tokens for c in ended),
        answers=_answers(state, ended) if context.scorers else 0,
        leading=verdict.votes if verdict and leading is not None else 0,
        agreeing=state.steps[-1]["agreeing"] if state.steps else 0,
        votes=tuple(state.steps[-1].get("votes", ())) if state.steps else (),
        outlook=_outlook(state, context, candidates),
        warm_weight=_warm_weight(state, context),
        tried=frozenset(step["arm"] for step in state.steps),
        settled=bool(verdict and verdict.settled),
        verified=bool(verdict and verdict.status == "verified"),
        has_checks=bool(context.verifiers or context.examiners),
        can_continue=context.door.can("continue_partial"),
        can_search=not context.settings.stop
        and all(map(context.door.can, ("continue_partial", *context.settings.step_score.needs))),
        refined_to_an_end=state.refined_to_an_end,
        scoring=_scoring(state, context, candidates),
        scores=tuple(c.signals[SCORE] for c in candidates if SCORE in c.signals),
        supply=await _supply(state, context),
    )


def _outlook(
    state: State, context: Context, candidates: Sequence[Candidate]
) -> AnswerBelief | None:
    """The belief by the answers that the verify node has told apart."""
    if context.profile is None:
        return None
    clusters: list[int | None] = state.belief.get("answers", [])
    log_odds: list[float] = state.belief.get("log_odds", [])
    seen = candidates[: len(clusters)]
    return believed(state, context.profile, seen, clusters, log_odds)


def _warm_weight(state: State, context: Context) -> float:
    if context.profile is None:
        return 1.0
    return context.profile.weight(f"{usual_arm(state)}@{context.settings.temperature:g}")


def _answers(state: State, candidates: Sequence[Candidate]) -> int:
    kind = state.answer_type
    return len({canonical(c.answer, kind) for c in candidates if c.answer is not None})


def _scoring(
    state: State, context: Context, candidates: Sequence[Candidate]
) -> tuple[Scoring, ...]:
    """What is left to score, and at what price."""
    longest = state.prompt_tokens + context.settings.max_tokens
    lengths = [one.usage.completion_tokens for one in candidates]
    sample = sum(lengths) / len(lengths) if lengths else TYPICAL_TOKENS
    typical = state.prompt_tokens + int(sample)
    return tuple(
        Scoring(
            scorer=scorer.name,
            unseen=len(unseen(state, scorer, candidates)),
            each=scorer.typical(typical),
            at_once=scorer.worst(longest).compute,
        )
        for scorer in context.scorers
    )


def _prompt(state: State, context: Context, arm: str = "step_by_step") -> Request:
    return Request(
        messages=prompt(state, context, arm),
        max_tokens=context.settings.max_tokens,
        temperature=context.settings.temperature,
        top_p=context.settings.top_p,
        schema=state.schema,
    )


async def _supply(state: State, context: Context) -> dict[str, int | None]:
    """What is to be had of each arm; a backend without end of the first has no end of any."""
    supply: dict[str, int | None] = {}
    if await context.backend.supply(_prompt(state, context)) is None:
        return supply
    for arm in ARMS:
        warm = _prompt(state, context, arm)
        supply[arm] = await context.backend.supply(warm)
        supply[f"{arm}@0"] = await context.backend.supply(replace(warm, temperature=0.0, top_p=1.0))
    return supply
