"""verify: merge equal answers, weigh them, and say which is best and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from its_agent.difficulty import Belief
from its_agent.difficulty.answer_belief import AnswerBelief
from its_agent.difficulty.first_wave import read_wave
from its_agent.events import Estimated, Judged
from its_agent.graphs.believing import believed, by_belief
from its_agent.graphs.context import Context
from its_agent.graphs.examination import evidence, examined
from its_agent.graphs.purchase import describe
from its_agent.graphs.state import Plain, State, Update, candidates_of, flat, plain_candidate
from its_agent.selection.checking import check
from its_agent.selection.judgement import Judgement, judge
from its_agent.selection.rules import Clusters
from its_agent.solution import Candidate

GRACE_SECONDS = 0.1
"""What comparing answers may take once the time is up."""


async def verify(state: State, runtime: Runtime[Context]) -> Command[Literal["route", "__end__"]]:
    """Judge all candidates so far and close the step that brought the last ones.

    Whether more pays is for the policy to say, unless the solve was cut off.
    """
    context = runtime.context
    candidates = candidates_of(state)
    answers = [c.answer for c in candidates]
    clusters = await context.equality.merge(
        answers, state.answer_type, within=_time_left(state, context)
    )
    verifiers = await examined(context, answers, within=_time_left(state, context))
    checked = check(answers, clusters, verifiers)
    log_odds = evidence(context, candidates)
    outlook = _outlook(state, context, candidates, checked.clusters, log_odds)
    judgement = checked.applied_to(
        _judged(context, candidates, checked.clusters, log_odds, outlook)
    )
    context.emit(Judged, verdict=judgement.verdict, votes=judgement.shares)
    update = Update(
        candidates=[plain_candidate(c) for c in judgement.candidates],
        verdict=flat(judgement.verdict),
        bought=None,
        intent=None,
    )
    if state.bought is not None:
        update["steps"] = [_step(state, state.bought, candidates, clusters, judgement)]
    if context.strategy.estimates and candidates:
        update["belief"] = _belief(state, context, judgement, outlook) | {
            "answers": list(checked.clusters),
            "log_odds": list(log_odds),
        }
    return Command(update=update, goto="route" if state.stopped_because is None else "__end__")


def _outlook(
    state: State,
    context: Context,
    candidates: Sequence[Candidate],
    clusters: Clusters,
    log_odds: Sequence[float],
) -> AnswerBelief | None:
    if context.profile is None:
        return None
    return believed(state, context.profiles, candidates, clusters, log_odds)


def _judged(
    context: Context,
    candidates: Sequence[Candidate],
    clusters: Clusters,
    log_odds: Sequence[float],
    outlook: AnswerBelief | None,
) -> Judgement:
    """By the belief, where there is one that no judges' ranking overrules, else by the rule."""
    if outlook is None or context.profile is None or context.scorers:
        rule = context.strategy.rule_with(scored=bool(context.scorers))
        return judge(candidates, clusters, rule=rule, evidence=log_odds)
    confidence = context.profile.confidence.of(outlook.best[1])
    rule = partial(by_belief, outlook)
    return judge(candidates, clusters, rule=rule, confidence=confidence)


def _time_left(state: State, context: Context) -> float | None:
    """Seconds for comparisons; a solve that has to end is not kept waiting."""
    if state.stopped_because in ("deadline", "cancelled"):
        return GRACE_SECONDS
    left = context.ledger.seconds_left
    return None if left is None else max(GRACE_SECONDS, left)


def _step(
    state: State,
    bought: Plain,
    candidates: tuple[Candidate, ...],
    clusters: Sequence[int | None],
    judgement: Judgement,
) -> Plain:
    places = [place for place, c in enumerate(candidates) if c.id in bought["candidates"]]
    new = [candidates[place] for place in places]
    answers = {clusters[place] for place in places}
    return {
        "id": len(state.steps) + 1,
        "path": bought["path"],
        "arm": bought["arm"],
        "model": bought["model"],
        "why": bought["why"],
        "bought": describe(new, judged=bought["path"] == "judging"),
        "spent": bought["usage"],
        "outcome": _outcome(judgement),
        "judged": bought["candidates"] if bought["path"] == "judging" else [],
        "votes": list(judgement.votes),
        "agreeing": _agreeing(state, bought, len(new), answers),
    }


def _agreeing(state: State, bought: Plain, new: int, answers: set[int | None]) -> int:
    """Samples of the last wave, if all gave one answer; scores say nothing of that."""
    if bought["path"] == "judging":
        before: int = state.steps[-1]["agreeing"] if state.steps else 0
        return before
    return new if len(answers) == 1 and None not in answers else 0


def _outcome(judgement: Judgement) -> str:
    verdict = judgement.verdict
    if verdict.answer is None:
        return "no answer yet"
    answer = " ".join(verdict.answer.split())
    shown = answer if len(answer) <= 30 else f"{answer[:29]}…"
    return f"{shown}: {verdict.votes} votes, confidence {verdict.confidence:.2f}"


def _belief(
    state: State, context: Context, judgement: Judgement, outlook: AnswerBelief | None
) -> Plain:
    """Replace what earlier waves said: the agreement is that of all samples together."""
    before = Belief.from_plain(state.belief)
    if "first_wave" not in context.settings.sources:
        return before.to_plain()
    rest = Belief()
    for known in before.evidence:
        if known.source != "first_wave":
            rest = rest.after(known)
    wave = read_wave(leading=judgement.verdict.votes, samples=len(judgement.candidates))
    if outlook is not None and not (context.verifiers or context.examiners):
        wave = replace(wave, success=outlook.next_success())
    belief = rest.after(wave)
    context.emit(Estimated, source=wave.source, success=belief.success)
    return belief.to_plain()
