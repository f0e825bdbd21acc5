"""Answers a conversation in which tools can be called: samples, and a vote on what to call.

It is bought in waves through the door and the ledger of every solve; the graph has no part in it,
as there is nothing to estimate, refine or search.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from its_agent.answers import infer_answer_type
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Request
from its_agent.budget import Budget
from its_agent.calling.votes import Called, Sampled, result_of
from its_agent.calling.waves import waves
from its_agent.errors import BackendUnreachable, InvalidOption
from its_agent.events import Emitter, Solved, Started, failure_told, new_run_id
from its_agent.graphs.context import Context, Model
from its_agent.ledger import SOLVE, Ledger
from its_agent.places import Places
from its_agent.policy.first_call import FirstCall
from its_agent.policy.fixed import Once, Repeat
from its_agent.policy.protocol import Policy
from its_agent.policy.strategy import Strategy
from its_agent.preflight import check_room
from its_agent.run_options import RunOptions
from its_agent.solution import AnswerType, Problem
from its_agent.solver import Solver
from its_agent.stop_signal import StopSignal
from its_agent.verifiers import Examiner, Scorer, Verifier, Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run that nothing has been bought for yet."""

    context: Context
    policy: Policy
    kind: AnswerType
    prompt: int
    """Tokens of the conversation that it begins with."""


async def call(
    solver: Solver, problem: Problem, asked: Request, budget: Budget, options: RunOptions
) -> Called:
    """Sample a request with tools until the vote is settled or the strategy is done.

    `asked` says which tools, how they are chosen, and all that a sample's request says beside the
    strategy's own. Raises InvalidOption for a strategy or judges that have no say over calls, and
    what `Agent.asolve` raises.
    """
    run = await begun(solver, problem, asked, budget, options)
    context = run.context
    with failure_told(context.emit):
        async with placed(context, solver.places) as has_place:
            if has_place:
                vote = await waves(context, run.policy, problem, run.kind, asked, run.prompt)
                called = result_of(context, *vote)
            else:
                called = result_of(context, Sampled(), context.door.interruption)
    context.emit(Solved, solution=called.solution, calls=called.calls, is_cut=called.is_cut)
    return called


async def begun(
    solver: Solver, problem: Problem, asked: Request, budget: Budget, options: RunOptions
) -> Begun:
    """Begin a run, and tell that it has. Raises what `call` raises before any spend."""
    policy = policy_for_calls(solver)
    stop = options.stop or StopSignal()
    ledger = _ledger(solver, budget, options)
    try:
        async with stop.guard(ledger.seconds_left):
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
    kind = problem.answer_type or infer_answer_type(problem.question)
    emit(
        Started,
        messages=asked.messages,
        answer_type=kind,
        strategy=solver.strategy.name,
        budget=budget,
        engine=offer.fingerprint,
    )
    return Begun(context=context, policy=policy, kind=kind, prompt=prompt)


@asynccontextmanager
async def placed(context: Context, places: Places) -> AsyncGenerator[bool]:
    """Hold a place among the runs of the agent; False where the time is up before there is one."""
    async with AsyncExitStack() as held:
        has_place = True
        try:
            async with context.door.until_the_end():
                await held.enter_async_context(places.taken(context.offer.concurrency))
        except TimeoutError:
            has_place = False
        yield has_place


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
    """How calls are sampled by a strategy; the adaptive one makes the first that can be made.
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
    return FirstCall()


def _votes(strategy: Strategy) -> bool:
    return isinstance(strategy.policy, (Once, Repeat)) or strategy.estimates


def _ledger(solver: Solver, budget: Budget, options: RunOptions) -> Ledger:
    """A ledger for this budget, inside the one that the run shares."""
    if options.ledger is not None:
        return options.ledger.scope(budget, name=SOLVE)
    clock = asyncio.get_running_loop().time
    return Ledger(budget, prices=solver.prices, name=SOLVE, clock=clock)
