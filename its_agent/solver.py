"""Takes one problem through the graph: a ledger, a backend that answers, and a way to go on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from its_agent.backends.meter import Meter
from its_agent.budget import Budget, Usage
from its_agent.equipment import Equipment
from its_agent.errors import InvalidBudget, InvalidOption
from its_agent.events import Solved, Started, failure_told
from its_agent.graphs.checkpoints import ForgivingSaver
from its_agent.graphs.context import Context
from its_agent.graphs.estimate import estimate_intent
from its_agent.graphs.hosted import Ended
from its_agent.graphs.outcome import solution_of
from its_agent.graphs.solve import solve_graph
from its_agent.graphs.state import Plain, State, candidates_of, flat, state_from
from its_agent.graphs.thread import charge, find, has_begun, thread
from its_agent.ledger import Ledger
from its_agent.places import Places
from its_agent.preflight import initial_state
from its_agent.run_options import RunOptions
from its_agent.solution import Problem, Solution
from its_agent.stop_signal import StopSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver(Equipment):
    """Begins the runs of one agent, and goes on with them."""

    checkpointer: BaseCheckpointSaver[Any] | None = None
    places: Places = field(default_factory=Places)

    async def solve(self, problem: Problem, budget: Budget, options: RunOptions) -> Solution:
        """Begin a run and take it to its end; see `Agent.asolve`."""
        return (await self.begin(problem, budget, options)).solution

    async def begin(self, problem: Problem, budget: Budget, options: RunOptions) -> Ended:
        """Do what `solve` does, and say where it stands then."""
        state = initial_state(problem, budget, self.strategy.name, self.exemplars)
        checks = self.checks(state)
        notes: list[str] = []
        graph = _compiled(self.strategy.estimates)
        if options.thread_id is not None:
            graph = self._checkpointed(notes)
            if await has_begun(graph, options.thread_id):
                raise InvalidOption(
                    f"there is a run {options.thread_id!r} already; resume it, or give another "
                    "thread_id"
                )
        ledger = self.ledger(budget, options)
        stop = options.stop or StopSignal()
        durable = options.thread_id is not None
        met, state = await self.met(ledger, stop, state, durable=durable)
        context = self.context(
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
        ledger = self.ledger(budget, options, spent, ended.books["elapsed"])
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
        ledger = self.ledger(begun.budget, options, latest.spent, begun.books.get("elapsed", 0.0))
        state = state_from(place.values)
        stop = options.stop or StopSignal()
        context = await self._taken_up(state, begun, ledger, stop, options, notes)
        if place.next is None:
            return solution_of(state, context)
        await charge(graph, place, latest)
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
        self._check_models(state)
        met, _ = await self.met(ledger, stop, state, is_new=False)
        return self.context(
            ledger,
            met,
            stop,
            options,
            notes,
            checks=self.checks(begun),
            run_id=begun.run_id,
            meter=Meter.from_plain(begun.books.get("meter", {})),
            paid=list(candidates_of(state)),
            lost=begun.books.get("lost", ()),
        )

    def _check_models(self, state: State) -> None:
        """Raise InvalidOption where the run has asked models that this agent does not have."""
        known = [one.name for one in self.backends]
        asked = {one.model for one in candidates_of(state)}
        if state.plan is not None and state.plan["model"]:
            asked.add(state.plan["model"])
        unknown = sorted(asked.difference(known))
        if unknown:
            raise InvalidOption(
                f"the run has asked {_models(unknown)}, this agent has {_models(known)}; go on "
                "with it under the backends that it was started with"
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
        with failure_told(context.emit):
            ended = await self._ended(graph, state, context, options, stop, begun=begun)
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
                async with stop.guard(context.ledger.seconds_left):
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

    def _checkpointed(self, notes: list[str]) -> Any:
        if self.checkpointer is None:
            raise InvalidOption(
                "a thread_id needs a checkpointer: pass checkpointer=… to the agent"
            )
        saver = ForgivingSaver(self.checkpointer, notes.append)
        graph = solve_graph(estimates=self.strategy.estimates)
        return graph.compile(name="its_agent", checkpointer=saver)


def _models(names: Sequence[str]) -> str:
    return ", ".join(repr(name) if name else "a lone model" for name in names)


@cache
def _compiled(estimates: bool) -> Any:
    return solve_graph(estimates=estimates).compile(name="its_agent")
