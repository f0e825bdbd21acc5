"""Answers a conversation in which tools can be called: samples, and a vote on what to call.

It is bought in waves through the door and the ledger of every solve; the graph has no part in it,
as there is nothing to estimate, refine or search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from its_agent.answers import infer_answer_type
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Request
from its_agent.budget import Budget
from its_agent.call_votes import ARM, PATH, Called, Sampled, add, judge_all, result_of, step_of
from its_agent.difficulty import Belief
from its_agent.errors import BackendUnreachable, InvalidOption
from its_agent.events import Emitter, Routed, Solved, Started, failure_told, new_run_id
from its_agent.graphs.context import Context, Model
from its_agent.graphs.sampling import Taken, buy
from its_agent.ledger import SOLVE, Ledger
from its_agent.places import Places
from its_agent.policy.fixed import WAVE, Once, Repeat
from its_agent.policy.protocol import Buy, Policy, Situation
from its_agent.policy.strategy import Strategy
from its_agent.preflight import check_room
from its_agent.run_options import RunOptions
from its_agent.selection.stop_rules import BetaLead
from its_agent.solution import AnswerType, Problem
from its_agent.solver import Solver
from its_agent.stop_signal import StopSignal
from its_agent.together import together
from its_agent.verifiers import Examiner, Scorer, Verifier, Witness


async def call(
    solver: Solver, problem: Problem, asked: Request, budget: Budget, options: RunOptions
) -> Called:
    """Sample a request with tools until the vote is settled or the strategy is done.

    `asked` says which tools, how they are chosen, and all that a sample's request says beside the
    strategy's own. Raises InvalidOption for a strategy or judges that have no say over calls, and
    what `Agent.asolve` raises.
    """
    policy = policy_for_calls(solver)
    stop = options.stop or StopSignal()
    ledger = ledger_of(solver, budget, options)
    try:
        async with stop.guard(ledger.remaining.seconds):
            offer = await solver.backend.offer()
            prompt = await solver.backend.count_prompt(asked)
    except TimeoutError:
        raise BackendUnreachable(
            "the backend did not say what it is before the call had to end; "
            "check that it answers, or give the call more seconds"
        ) from None
    check_room(prompt, solver.backend, ledger, offer.fingerprint.context_length)
    emit = Emitter(ledger, options.sinks, run_id=options.run_id or new_run_id())
    door = MeteredBackend(solver.backend, ledger, emit, offer=offer, stop=stop)
    usual = Model(backend=solver.backend, door=door, offer=offer)
    context = Context(
        models={usual.name: usual},
        ledger=ledger,
        emit=emit,
        equality=solver.equality,
        strategy=solver.strategy,
        settings=solver.settings,
    )
    emit(
        Started,
        messages=asked.messages,
        answer_type=_kind(problem),
        strategy=solver.strategy.name,
        budget=budget,
        engine=offer.fingerprint,
    )
    with failure_told(emit):
        called = await _placed(context, policy, problem, asked, prompt, stop, solver.places)
    emit(Solved, solution=called.solution, calls=called.calls, is_cut=called.is_cut)
    return called


def request_with_tools(
    solver: Solver,
    problem: Problem,
    tools: Sequence[Mapping[str, Any]],
    *,
    tool_choice: str | Mapping[str, Any] | None,
    parallel_calls: bool | None,
) -> Request:
    """The request for a sample that may call tools."""
    settings, strategy = solver.settings, solver.strategy
    return Request(
        messages=tuple(problem.messages),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop=settings.stop,
        thinking=settings.thinking,
        logprobs=strategy.logprobs,
        top_logprobs=strategy.top_logprobs,
        tools=tuple(tools),
        tool_choice=tool_choice,
        parallel_calls=parallel_calls,
    )


def policy_for_calls(solver: Solver) -> Policy:
    """How calls are sampled by a strategy; the adaptive one takes waves until the vote is settled.
    Raises InvalidOption for what can only judge, search or improve answers."""
    strategy = solver.strategy
    judges: list[Verifier | Examiner | Witness | Scorer] = [
        *solver.verifiers,
        *solver.examiners,
        *solver.witnesses,
        *solver.scorers,
    ]
    if judges or strategy.runs_programs or not _votes(strategy):
        what = f"verifier {judges[0].name!r}" if judges else f"strategy {strategy.name!r}"
        raise InvalidOption(
            f"tools: the {what} has no say over tool calls; bind tools to a model that only "
            "samples, with strategy 'adaptive', 'single_pass', 'self_consistency' or the like"
        )
    if isinstance(strategy.policy, (Once, Repeat)):
        return strategy.policy
    return Repeat(wave=WAVE, greedy_first=True, until=BetaLead())


def _votes(strategy: Strategy) -> bool:
    return isinstance(strategy.policy, (Once, Repeat)) or strategy.estimates


def ledger_of(solver: Solver, budget: Budget, options: RunOptions) -> Ledger:
    """A ledger for this budget, inside the one that the run shares."""
    if options.ledger is not None:
        return options.ledger.scope(budget, name=SOLVE)
    clock = asyncio.get_running_loop().time
    return Ledger(budget, prices=solver.prices, name=SOLVE, clock=clock)


def _kind(problem: Problem) -> AnswerType:
    return problem.answer_type or infer_answer_type(problem.question)


async def _placed(
    context: Context,
    policy: Policy,
    problem: Problem,
    asked: Request,
    prompt: int,
    stop: StopSignal,
    places: Places,
) -> Called:
    """Sample once there is a place for it."""
    async with AsyncExitStack() as held:
        try:
            async with stop.guard(context.ledger.remaining.seconds):
                await held.enter_async_context(places.taken(context.offer.concurrency))
        except TimeoutError:
            return result_of(context, Sampled(), context.door.interruption)
        return await _waves(context, policy, problem, asked, prompt)


async def _waves(
    context: Context, policy: Policy, problem: Problem, asked: Request, prompt: int
) -> Called:
    kind = _kind(problem)
    so_far = Sampled()
    while True:
        situation = _situation(context, problem, kind, so_far, prompt)
        decision = policy(situation)
        if not isinstance(decision, Buy):
            return result_of(context, so_far, decision.reason)
        context.emit(Routed, path=PATH, arm=ARM, samples=decision.samples, why=decision.why)
        await _wave(context, decision, asked, kind, so_far)
        stopped = so_far.taken.stop
        if stopped is not None or so_far.taken.too_long is not None:
            return result_of(context, so_far, stopped or "no_gain")


def _situation(
    context: Context, problem: Problem, kind: AnswerType, so_far: Sampled, prompt: int
) -> Situation:
    ended = [one for one in so_far.candidates if one.finish != "aborted"]
    judgement = so_far.judgement
    return Situation(
        question=problem.question,
        answer_type=kind,
        belief=Belief(),
        remaining=context.ledger.unspent,
        prompt_tokens=prompt,
        max_tokens=context.settings.max_tokens,
        token_cost=context.backend.relative_cost,
        bought={},
        samples=len(ended),
        sample_tokens=sum(one.usage.completion_tokens for one in ended),
        agreeing=so_far.agreeing,
        votes=judgement.votes if judgement else (),
        settled=bool(judgement and judgement.verdict.settled),
        supply={},
    )


async def _wave(
    context: Context, decision: Buy, asked: Request, kind: AnswerType, so_far: Sampled
) -> None:
    greedy = [replace(asked, n=1, temperature=0.0, top_p=1.0)] if decision.greedy_first else []
    warm = decision.samples - len(greedy)
    requests = greedy + ([replace(asked, n=warm)] if warm else [])
    taken = await _bought(context, requests)
    before = len(so_far.candidates)
    for request, bought in zip(requests, taken, strict=True):
        for sample in (one for purchase in bought.purchases for one in purchase.samples):
            add(context, request, sample, kind, so_far)
    so_far.taken += sum(taken, Taken())
    await judge_all(context, kind, so_far, before)
    new = so_far.candidates[before:]
    so_far.steps.append(step_of(decision, sum(taken, Taken()), new, so_far))


async def _bought(context: Context, requests: Sequence[Request]) -> list[Taken]:
    """Buy requests side by side; a refusal of one is the refusal of all."""
    async with together() as group:
        buying = [group.create_task(buy(context, one, purpose="generate")) for one in requests]
    return [one.result() for one in buying]
