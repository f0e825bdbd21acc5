"""Takes one problem through the graph: a ledger, a backend that answers, and a way to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from its_agent.backends.meter import Meter
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Backend, Offer
from its_agent.budget import Budget, Prices, Usage
from its_agent.difficulty.profile import Profile, check_model, profile_of
from its_agent.equality import AnswerEquality
from its_agent.errors import BackendUnreachable, InvalidOption
from its_agent.events import Emitter, Failed, Sink, Solved, Started
from its_agent.graphs.checkpoints import ForgivingSaver
from its_agent.graphs.context import Context, Settings
from its_agent.graphs.estimate import estimate_intent
from its_agent.graphs.outcome import solution_of
from its_agent.graphs.solve import solve_graph
from its_agent.graphs.state import State, candidates_of, flat, state_from
from its_agent.graphs.thread import charge, find, has_begun, thread
from its_agent.ledger import SOLVE, Ledger
from its_agent.places import Places
from its_agent.policy import Strategy
from its_agent.policy.market import Market
from its_agent.preflight import counted, initial_state
from its_agent.solution import Candidate, Exemplar, Problem, Solution
from its_agent.stop_signal import StopSignal
from its_agent.verifiers import CodeTests, Examiner, JsonSchema, Sandbox, Scorer, Verifier, Witness
from its_agent.verifiers.programs import Programs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a caller may say about one run."""

    sinks: tuple[Sink, ...] = ()
    ledger: Ledger | None = None
    """A budget that the run shares with others."""
    stop: StopSignal | None = None
    thread_id: str | None = None
    """Names the run in the checkpointer."""
    market: Market | None = None
    """Sets the price of compute for the run and for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What knows right answers to one problem."""

    verifiers: tuple[Verifier, ...]
    examiners: tuple[Examiner, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """What all runs of one agent share."""

    backend: Backend
    strategy: Strategy
    settings: Settings
    equality: AnswerEquality
    prices: Prices | None = None
    verifiers: tuple[Verifier, ...] = ()
    examiners: tuple[Examiner, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    scorers: tuple[Scorer, ...] = ()
    sandbox: Sandbox | None = None
    """Runs the programs of a strategy that asks for them."""
    exemplars: tuple[Exemplar, ...] = ()
    """Shown before every problem that has none of its own."""
    profile: Profile | None = None
    """How the model's samples behave; None for the shipped one of its name."""
    checkpointer: BaseCheckpointSaver[Any] | None = None
    places: Places = field(default_factory=Places)

    async def solve(self, problem: Problem, budget: Budget, options: RunOptions) -> Solution:
        """Begin a run and take it to its end; see `Agent.asolve`."""
        state = initial_state(problem, budget, self.strategy.name, self.exemplars)
        checks = self._checks(state)
        notes: list[str] = []
        graph = _compiled(self.strategy.estimates)
        if options.thread_id is not None:
            graph = self._checkpointed(notes)
            if await has_begun(graph, options.thread_id):
                raise InvalidOption(
                    f"there is a run {options.thread_id!r} already; resume it, or give another "
                    "thread_id"
                )
        ledger = self._ledger(budget, options)
        stop = options.stop or StopSignal()
        offer, state = await self._met(ledger, stop, state)
        context = self._context(
            ledger, offer, stop, options, notes, checks=checks, run_id=state.run_id
        )
        if self.strategy.estimates:
            state = replace(state, intent=await estimate_intent(state, context))
        return await self._run(graph, state, context, options, stop)

    async def resume(
        self, thread_id: str, options: RunOptions, *, checkpoint_id: str | None = None
    ) -> Solution:
        """Go on with a run; see `Agent.aresume`."""
        notes: list[str] = []
        graph = self._checkpointed(notes)
        latest = await find(graph, thread_id)
        begun = state_from(latest.values)
        if begun.strategy != self.strategy.name:
            raise InvalidOption(
                f"the run {thread_id!r} was started with strategy {begun.strategy!r}, this agent "
                f"has {self.strategy.name!r}"
            )
        place = latest if checkpoint_id is None else await find(graph, thread_id, checkpoint_id)
        ledger = self._ledger(begun.budget, options, latest.spent, begun.books.get("elapsed", 0.0))
        state = state_from(place.values)
        stop = options.stop or StopSignal()
        offer, state = await self._met(ledger, stop, state, is_new=False)
        context = self._context(
            ledger,
            offer,
            stop,
            options,
            notes,
            checks=self._checks(begun),
            run_id=begun.run_id,
            meter=Meter.from_plain(begun.books.get("meter", {})),
            paid=list(candidates_of(state)),
        )
        if place.next is None:
            return solution_of(state, context)
        await charge(graph, place, latest.spent)
        return await self._run(graph, state, context, options, stop, begun=True)

    async def _run(
        self,
        graph: Any,
        state: State,
        context: Context,
        options: RunOptions,
        stop: StopSignal,
        *,
        begun: bool = False,
    ) -> Solution:
        """Take the graph to its end, and tell of its beginning and its end."""
        context.emit(
            Started,
            messages=tuple(state.messages),
            answer_type=state.answer_type,
            strategy=self.strategy.name,
            budget=state.budget,
            engine=context.offer.fingerprint,
        )
        try:
            solution = await self._solution(graph, state, context, options, stop, begun=begun)
        except BaseException as error:
            context.emit(Failed, error=type(error).__name__, why=str(error))
            raise
        context.emit(Solved, solution=solution)
        return solution

    async def _solution(
        self,
        graph: Any,
        state: State,
        context: Context,
        options: RunOptions,
        stop: StopSignal,
        *,
        begun: bool,
    ) -> Solution:
        """Take the graph to its end, once there is a place for it."""
        async with AsyncExitStack() as held:
            try:
                async with stop.guard(context.ledger.remaining.seconds):
                    await held.enter_async_context(self.places.taken(context.offer.concurrency))
            except TimeoutError:
                ended = replace(state, stopped_because=context.door.interruption)
                return solution_of(ended, context)
            start = None if begun else flat(state)
            run = partial(graph.ainvoke, context=context, version="v2")
            if options.thread_id is None:
                result = await run(start)
            else:
                result = await run(start, thread(options.thread_id), durability="sync")
        return solution_of(result.value, context)

    def _checks(self, state: State) -> Checks:
        """The agent's own, and the problem's schema and tests. Raises InvalidOption for a schema
        that is none, and MissingExtra for tests without a sandbox."""
        tests, schema = state.task.get("tests"), state.schema
        return Checks(
            verifiers=self.verifiers if schema is None else (*self.verifiers, JsonSchema(schema)),
            examiners=(*self.examiners, CodeTests(tests)) if tests else self.examiners,
        )

    def _profile(self, offer: Offer) -> Profile:
        """Raises InvalidOption for another model's."""
        if self.profile is None:
            return profile_of(offer.fingerprint.model)
        check_model(self.profile, offer.fingerprint.model)
        return self.profile

    def _checkpointed(self, notes: list[str]) -> Any:
        if self.checkpointer is None:
            raise InvalidOption(
                "a thread_id needs a checkpointer: pass checkpointer=… to the agent"
            )
        saver = ForgivingSaver(self.checkpointer, notes.append)
        graph = solve_graph(estimates=self.strategy.estimates)
        return graph.compile(name="its_agent", checkpointer=saver)

    def _ledger(
        self,
        budget: Budget,
        options: RunOptions,
        spent: Mapping[str, Usage] | None = None,
        elapsed: float = 0.0,
    ) -> Ledger:
        if options.ledger is not None:
            return options.ledger.scope(budget, name=SOLVE, spent=spent, elapsed=elapsed)
        return Ledger(
            budget,
            prices=self.prices,
            spent=spent,
            elapsed=elapsed,
            name=SOLVE,
            clock=asyncio.get_running_loop().time,
        )

    async def _met(
        self, ledger: Ledger, stop: StopSignal, state: State, *, is_new: bool = True
    ) -> tuple[Offer, State]:
        """Meet the backend, and check that it can serve a new state within the ledger."""
        try:
            async with stop.guard(ledger.remaining.seconds):
                offer = await self.backend.offer()
                if is_new:
                    room = offer.fingerprint.context_length
                    thinking = self.settings.thinking
                    state = await counted(state, self.backend, ledger, room, thinking=thinking)
        except TimeoutError:
            raise BackendUnreachable(
                "the backend did not say what it is before the solve had to end; "
                "check that it answers, or give the solve more seconds"
            ) from None
        return offer, state

    def _context(
        self,
        ledger: Ledger,
        offer: Offer,
        stop: StopSignal,
        options: RunOptions,
        notes: list[str],
        *,
        checks: Checks,
        run_id: str,
        meter: Meter | None = None,
        paid: list[Candidate] | None = None,
    ) -> Context:
        emit = Emitter(ledger, options.sinks, run_id=run_id)
        return Context(
            backend=self.backend,
            door=MeteredBackend(self.backend, ledger, emit, offer=offer, stop=stop, meter=meter),
            offer=offer,
            ledger=ledger,
            emit=emit,
            equality=self.equality,
            strategy=self.strategy,
            settings=self.settings,
            profile=self._profile(offer) if self.strategy.estimates else None,
            verifiers=checks.verifiers,
            examiners=checks.examiners,
            witnesses=self.witnesses,
            scorers=self.scorers,
            programs=Programs(self.sandbox) if self.sandbox else None,
            market=options.market,
            durable=options.thread_id is not None,
            notes=notes,
            paid=paid or [],
        )


@cache
def _compiled(estimates: bool) -> Any:
    return solve_graph(estimates=estimates).compile(name="its_agent")
