"""What a policy may look at, gathered from the state and from each model that can be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from its_agent.answers import canonical
from its_agent.backends.protocol import Request
from its_agent.difficulty import Belief
from its_agent.difficulty.answer_belief import AnswerBelief
from its_agent.difficulty.sample_features import Asked
from its_agent.errors import BackendError
from its_agent.graphs.believing import believed
from its_agent.graphs.context import Context, Model
from its_agent.graphs.conversation import usual_arm
from its_agent.graphs.judging import unseen
from its_agent.graphs.sampling import prompt
from its_agent.graphs.state import State, candidates_of, verdict_of
from its_agent.policy import SCORE, Situation
from its_agent.policy.protocol import TYPICAL_TOKENS, Scoring
from its_agent.prompts import ARMS
from its_agent.solution import Candidate


async def situation_of(state: State, context: Context) -> Situation:
    """Gather what a policy may look at, of all models together and of each that still answers."""
    whole = await _of_all(state, context)
    if len(context.models) == 1:
        return whole
    views = [await _view(whole, one, state, context) for one in context.models.values()]
    return replace(whole, by_model=tuple(view for view in views if view is not None))


async def _view(whole: Situation, model: Model, state: State, context: Context) -> Situation | None:
    """The situation as it is for samples of one of several models; None where it is lost."""
    if model.name in context.lost:
        return None
    try:
        prompt_tokens = await model.door.count_prompt(_prompt(state, context))
        supply = await _supply(state, context, model)
    except BackendError as failure:
        if model is context.usual:
            raise
        context.lost.add(model.name)
        context.notes.append(str(failure))
        return None
    own = [c for c in candidates_of(state) if c.model == model.name and c.finish != "aborted"]
    return replace(
        whole,
        model=model.name,
        prompt_tokens=prompt_tokens,
        token_cost=model.backend.relative_cost,
        samples=len(own),
        sample_tokens=sum(c.usage.completion_tokens for c in own),
        warm_weight=_warm_weight(state, context, model),
        belief=_expected(state, model, failed=len(own)),
        supply=supply,
    )


def _expected(state: State, model: Model, *, failed: int) -> Belief:
    """Whether its next sample is right, after so many that no check has passed."""
    if model.profile is None:
        return Belief()
    tally = model.profile.tally(Asked.of(state.question, state.answer_type))
    return Belief(alpha=tally.hits, beta=tally.misses + failed)


async def _of_all(state: State, context: Context) -> Situation:
    candidates = candidates_of(state)
    ended = [c for c in candidates if c.finish != "aborted"]
    verdict = verdict_of(state)
    leading = verdict.answer if verdict else None
    return Situation(
        question=state.question,
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
        warm_weight=_warm_weight(state, context, context.usual),
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
        supply=await _supply(state, context, context.usual),
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
    return believed(state, context.profiles, seen, clusters, log_odds)


def _warm_weight(state: State, context: Context, model: Model) -> float:
    if model.profile is None:
        return 1.0
    return model.profile.weight(f"{usual_arm(state)}@{context.settings.temperature:g}")


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


async def _supply(state: State, context: Context, model: Model) -> dict[str, int | None]:
    """What is to be had of each arm; a backend without end of the first has no end of any."""
    supply: dict[str, int | None] = {}
    backend = model.backend
    if await backend.supply(_prompt(state, context)) is None:
        return supply
    for arm in ARMS:
        warm = _prompt(state, context, arm)
        supply[arm] = await backend.supply(warm)
        supply[f"{arm}@0"] = await backend.supply(replace(warm, temperature=0.0, top_p=1.0))
    return supply
