"""Takes one problem through the graph: a ledger, a backend that answers, and a way to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from its_agent.backends.connect import Met, Named, meet
from its_agent.backends.meter import Meter
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Backend
from its_agent.budget import Budget, Prices, Usage
from its_agent.difficulty.profile import Profile, check_model, profile_of
from its_agent.equality import AnswerEquality
from its_agent.errors import BackendUnreachable, InvalidBudget, InvalidOption
from its_agent.events import Emitter, Failed, Sink, Solved, Started
from its_agent.graphs.checkpoints import ForgivingSaver
from its_agent.graphs.context import Context, Model, Settings
from its_agent.graphs.estimate import estimate_intent
from its_agent.graphs.hosted import Ended
from its_agent.graphs.outcome import solution_of
from its_agent.graphs.solve import solve_graph
from its_agent.graphs.state import Plain, State, candidates_of, flat, state_from
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
    run_id: str = ""
    """Names the run in its events; a new name where it is empty."""
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

    backends: tuple[Named, ...]
    """The usual model's first."""
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
    profiles: Mapping[str, Profile] = field(default_factory=dict[str, Profile])
    """How a model's samples behave, by the backend's name; the shipped one of the model else."""
    checkpointer: BaseCheckpointSaver[Any] | None = None
    places: Places = field(default_factory=Places)

    @property
    def backend(self) -> Backend:
        """The usual model's."""
        return self.backends[0].backend

    async def solve(self, problem: Problem, budget: Budget, options: RunOptions) -> Solution:
        """Begin a run and take it to its end; see `Agent.asolve`."""
        return (await self.begin(problem, budget, options)).solution

    async def begin(self, problem: Problem, budget: Budget, options: RunOptions) -> Ended:
        """Do what `solve` does, and say where it stands then."""
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
        met, state = await self._met(ledger, stop, state)
        context = self._context(
            ledger, met, stop, options, notes, checks=checks, run_id=state.run_id
        )
        if self.strategy.estimates:
            state = replace(state, intent=await estimate_intent(state, context))
        return await self._run(graph, state, context, options, stop)

    async def extend(self, standing: Plain, more: int, options: RunOptions) -> Ended:
        """Go on with a run that has ended, with so many compute units more. Raises InvalidBudget
        where its compute has no limit."""
        ended = state_from(standing)
        if ended.budget.compute is None:
            raise InvalidBudget("this run's compute has no limit that could be raised")
        budget = replace(ended.budget, compute=ended.budget.compute + more)
        state = replace(
            ended,
            task={**ended.task, "budget": flat(budget)},
            plan=None,
            intent=None,
            bought=None,
            stopped_because=None,
        )
        spent = {name: Usage(**usage) for name, usage in ended.books["spent"].items()}
        ledger = self._ledger(budget, options, spent, ended.books["elapsed"])
        stop = options.stop or StopSignal()
        context = await self._taken_up(state, ended, ledger, stop, options, [])
        return await self._run(_compiled(estimates=False), state, context, options, stop)

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
        context = await self._taken_up(state, begun, ledger, stop, options, notes)
        if place.next is None:
            return solution_of(state, context)
        await charge(graph, place, latest.spent)
        return (await self._run(graph, state, context, options, stop, begun=True)).solution

    async def _taken_up(
        self,
        state: State,
        begun: State,
        ledger: Ledger,
        stop: StopSignal,
        options: RunOptions,
        notes: list[str],
    ) -> Context:
        """The live side of a run that goes on from `state`, with the books of `begun`."""
        met, _ = await self._met(ledger, stop, state, is_new=False)
        return self._context(
            ledger,
            met,
            stop,
            options,
            notes,
            checks=self._checks(begun),
            run_id=begun.run_id,
            meter=Meter.from_plain(begun.books.get("meter", {})),
            paid=list(candidates_of(state)),
        )

    async def _run(
        self,
        graph: Any,
        state: State,
        context: Context,
        options: RunOptions,
        stop: StopSignal,
        *,
        begun: bool = False,
    ) -> Ended:
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
            ended = await self._ended(graph, state, context, options, stop, begun=begun)
        except BaseException as error:
            context.emit(Failed, error=type(error).__name__, why=str(error))
            raise
        context.emit(Solved, solution=ended.solution)
        return ended

    async def _ended(
        self,
        graph: Any,
        state: State,
        context: Context,
        options: RunOptions,
        stop: StopSignal,
        *,
        begun: bool,
    ) -> Ended:
        """Take the graph to its end, once there is a place for it."""
        async with AsyncExitStack() as held:
            try:
                async with stop.guard(context.ledger.remaining.seconds):
                    await held.enter_async_context(self.places.taken(context.offer.concurrency))
            except TimeoutError:
                ended = replace(state, stopped_because=context.door.interruption)
                return Ended(solution=solution_of(ended, context), standing=flat(ended))
            start = None if begun else flat(state)
            run = partial(graph.ainvoke, context=context, version="v2")
            if options.thread_id is None:
                result = await run(start)
            else:
                result = await run(start, thread(options.thread_id), durability="sync")
        return Ended(solution=solution_of(result.value, context), standing=flat(result.value))

    def _checks(self, state: State) -> Checks:
        """The agent's own, and the problem's schema and tests. Raises InvalidOption for a schema
        that is none, and MissingExtra for tests without a sandbox."""
        tests, schema = state.task.get("tests"), state.schema
        return Checks(
            verifiers=self.verifiers if schema is None else (*self.verifiers, JsonSchema(schema)),
            examiners=(*self.examiners, CodeTests(tests)) if tests else self.examiners,
        )

    def _profile(self, met: Met) -> Profile | None:
        """Raises InvalidOption for another model's."""
        if not self.strategy.estimates:
            return None
        model = met.offer.fingerprint.model
        if met.name not in self.profiles:
            return profile_of(model)
        check_model(self.profiles[met.name], model)
        return self.profiles[met.name]

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
    ) -> tuple[tuple[Met, ...], State]:
        """Meet the backends, and check that the usual one can serve a new state within the
        ledger."""
        try:
            async with stop.guard(ledger.remaining.seconds):
                met = await meet(self.backends)
                if is_new:
                    room = met[0].offer.fingerprint.context_length
                    thinking = self.settings.thinking
                    state = await counted(state, met[0].backend, ledger, room, thinking=thinking)
        except TimeoutError:
            raise BackendUnreachable(
                "the backend did not say what it is before the solve had to end; "
                "check that it answers, or give the solve more seconds"
            ) from None
        return met, state

    def _context(
        self,
        ledger: Ledger,
        met: Sequence[Met],
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
        first, *others = met
        door = MeteredBackend(
            first.backend, ledger, emit, offer=first.offer, stop=stop, meter=meter
        )
        doors = [door, *(door.to(one.backend, one.offer) for one in others)]
        return Context(
            models={
                one.name: Model(
                    name=one.name,
                    backend=one.backend,
                    door=opened,
                    offer=one.offer,
                    profile=self._profile(one),
                )
                for one, opened in zip(met, doors, strict=True)
            },
            ledger=ledger,
            emit=emit,
            equality=self.equality,
            strategy=self.strategy,
            settings=self.settings,
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
