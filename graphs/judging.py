"""judging: let a scorer look at the candidates that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langgraph.runtime import Runtime

from its_agent.backends.account import Account
from its_agent.budget import Usage
from its_agent.graphs.context import Context
from its_agent.graphs.conversation import conversation, conversation_tokens
from its_agent.graphs.purchase import bought, scoped
from its_agent.graphs.state import State, Update, candidates_of, plain_candidate
from its_agent.policy import SCORE
from its_agent.solution import Candidate
from its_agent.verifiers import Reading, Scorer

PURPOSE = "verify"


async def judging(state: State, runtime: Runtime[Context]) -> Update:
    """Score what the plan's scorer has not seen, and write the scores down as signals."""
    context = runtime.context
    assert state.plan is not None
    scorer = scorer_named(context, state.plan["arm"])
    candidates = candidates_of(state)
    seen = await shown(state, context, scorer, candidates)
    account = Account(door=scoped(state, context, name="judging"), purpose=PURPOSE)
    asked = [conversation(state, context, group[0]) for group in seen]
    readings = await scorer.score(asked, account)
    scored = [
        _with_score(one, scorer, reading, is_first=scorer is context.scorers[0])
        for group, reading in zip(seen, readings, strict=True)
        for one in group
        if isinstance(reading, float)
    ]
    update = bought(
        state,
        context,
        path="judging",
        arm=scorer.name,
        usage=account.usage,
        candidates=[one.id for group in seen for one in group],
        stop=account.interrupted,
        troubles=[*dict.fromkeys(account.notes), *_silence(scorer, readings)],
    )
    return update | Update(candidates=[plain_candidate(one) for one in scored])


def scorer_named(context: Context, name: str) -> Scorer:
    """The scorer of that name."""
    return next(one for one in context.scorers if one.name == name)


def unseen(state: State, scorer: Scorer, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with an answer that the scorer is yet to see: those that are new, or all where
    its scores hold only among what was scored together and something is new."""
    judged = {
        id for step in state.steps if step["arm"] == scorer.name for id in step.get("judged", ())
    }
    answered = [one for one in candidates if one.answer is not None]
    new = [one for one in answered if one.id not in judged]
    return answered if new and scorer.compares else new


async def shown(
    state: State, context: Context, scorer: Scorer, candidates: Sequence[Candidate]
) -> list[list[Candidate]]:
    """What the scorer is shown: every candidate; where it compares, or the budget does not pay for
    all, of equal answers the likeliest for all, those with most votes first."""
    new = unseen(state, scorer, candidates)
    shortfall = context.ledger.shortfall(worst_judging(state, scorer, new))
    if not scorer.compares and shortfall is None:
        return [[one] for one in new]
    clusters = await context.equality.merge([one.answer for one in new], state.answer_type)
    groups: dict[int | None, list[Candidate]] = {}
    for one, cluster in zip(new, clusters, strict=True):
        groups.setdefault(cluster, []).append(one)
    likeliest = [sorted(group, key=_likelihood, reverse=True) for group in groups.values()]
    return sorted(likeliest, key=len, reverse=True)


def worst_judging(state: State, scorer: Scorer, candidates: Sequence[Candidate]) -> Usage:
    """The most that showing all of these to the scorer costs."""
    costs = (scorer.worst(conversation_tokens(state, one)) for one in candidates)
    return sum(costs, Usage())


def _likelihood(candidate: Candidate) -> float:
    return candidate.mean_logprob if candidate.mean_logprob is not None else float("-inf")


def _with_score(candidate: Candidate, scorer: Scorer, score: float, *, is_first: bool) -> Candidate:
    names = (scorer.name, SCORE) if is_first else (scorer.name,)
    return replace(candidate, signals={**candidate.signals, **dict.fromkeys(names, score)})


def _silence(scorer: Scorer, readings: Sequence[Reading]) -> list[str]:
    return [
        f"{scorer.name} {what} for {readings.count(result)} of {len(readings)}"
        for result, what in (("unknown", "had nothing to say"), ("broken", "broke"))
        if result in readings
    ]
