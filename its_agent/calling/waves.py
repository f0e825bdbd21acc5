"""Waves of samples of one request with tools, until the vote on where they end is settled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from its_agent.backends.protocol import Request
from its_agent.backends.sample import Sample
from its_agent.calling.votes import ARM, PATH, Sampled, add, judge_all, step_of
from its_agent.difficulty import Belief
from its_agent.events import Routed
from its_agent.graphs.context import Context
from its_agent.graphs.sampling import Taken, buy
from its_agent.policy.protocol import Buy, Policy, Situation
from its_agent.receipt import StopReason
from its_agent.solution import AnswerType, Candidate, Message, Problem
from its_agent.together import together


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where an attempt has come to."""

    request: Request
    sample: Sample
    """Its last one, with what its earlier ones cost."""
    turns: tuple[Message, ...] = ()
    """What was said and heard on the way there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a wave has brought."""

    taken: Taken
    ends: tuple[End, ...]
    stop: StopReason | None
    """Why there is to be no other wave, if there is not."""


Reach: TypeAlias = Callable[[Context, Sequence[Request]], Awaitable[Brought]]
"""Takes the samples of these requests to where they end."""


async def sampled(context: Context, requests: Sequence[Request]) -> Brought:
    """Every sample is an end. A refusal of one request is the refusal of all."""
    async with together() as group:
        buying = [group.create_task(buy(context, one, purpose="generate")) for one in requests]
    bought = [(request, one.result()) for request, one in zip(requests, buying, strict=True)]
    taken = sum((one for _, one in bought), Taken())
    ends = [End(request=request, sample=one) for request, each in bought for one in each.samples]
    return Brought(
        taken=taken, ends=tuple(ends), stop=taken.stop or ("no_gain" if taken.too_long else None)
    )


async def waves(
    context: Context,
    policy: Policy,
    problem: Problem,
    kind: AnswerType,
    asked: Request,
    prompt: int,
    reach: Reach = sampled,
) -> tuple[Sampled, StopReason]:
    """Buy waves until the policy or something else ends it, and say what did."""
    so_far = Sampled()
    while True:
        situation = _situation(context, problem, kind, so_far, prompt)
        decision = policy(situation)
        if not isinstance(decision, Buy):
            return so_far, decision.reason
        context.emit(Routed, path=PATH, arm=ARM, samples=decision.samples, why=decision.why)
        stopped = await _wave(context, decision, asked, kind, so_far, reach)
        if stopped is not None:
            return so_far, stopped


def _situation(
    context: Context, problem: Problem, kind: AnswerType, so_far: Sampled, prompt: int
) -> Situation:
    ended = [one for one in so_far.candidates if one.finish != "aborted"]
    judgement = so_far.judgement
    price = context.backend.relative_cost
    tokens = sum(_tokens(one, price) for one in ended)
    most = context.settings.max_tokens
    if any(one.turns for one in ended):
        most = max(most, tokens // len(ended))
    return Situation(
        question=problem.question,
        answer_type=kind,
        belief=Belief(),
        remaining=context.ledger.unspent,
        prompt_tokens=prompt,
        max_tokens=most,
        token_cost=price,
        bought={},
        samples=len(ended),
        sample_tokens=tokens,
        agreeing=so_far.agreeing,
        votes=judgement.votes if judgement else (),
        settled=bool(judgement and judgement.verdict.settled),
        calls=bool(so_far.chosen_calls),
        supply={},
    )


def _tokens(one: Candidate, price: float) -> int:
    """What a candidate has taken: the prompts of its further turns are its own, too."""
    return int(one.usage.compute / price) if one.turns else one.usage.completion_tokens


async def _wave(
    context: Context,
    decision: Buy,
    asked: Request,
    kind: AnswerType,
    so_far: Sampled,
    reach: Reach,
) -> StopReason | None:
    greedy = [replace(asked, n=1, temperature=0.0, top_p=1.0)] if decision.greedy_first else []
    warm = decision.samples - len(greedy)
    brought = await reach(context, greedy + ([replace(asked, n=warm)] if warm else []))
    before = len(so_far.candidates)
    for end in brought.ends:
        add(context, end.request, end.sample, kind, so_far, end.turns)
    so_far.taken += brought.taken
    await judge_all(context, kind, so_far, before)
    new = so_far.candidates[before:]
    so_far.steps.append(step_of(decision, brought.taken, new, so_far))
    return brought.stop
