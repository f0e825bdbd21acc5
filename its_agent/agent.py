"""Agent: a backend and a strategy that turn problems and budgets into solutions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.base import BaseCheckpointSaver

from its_agent import loop
from its_agent.backends.connect import connect
from its_agent.backends.metered import Meter, MeteredBackend
from its_agent.backends.protocol import Backend, Offer
from its_agent.budget import DEFAULT_COMPUTE, Budget, Prices, Usage
from its_agent.difficulty import SOURCES
from its_agent.equality import AnswerEquality
from its_agent.errors import BackendUnreachable, InvalidOption, ItsAgentError
from its_agent.events import Emitter, Event, Sink, Solved
from its_agent.graphs.checkpoints import ForgivingSaver
from its_agent.graphs.context import Context, Settings
from its_agent.graphs.outcome import solution_of
from its_agent.graphs.solve import solve_graph
from its_agent.graphs.state import Plain, State, candidates_of, flat, state_from
from its_agent.graphs.thread import charge, find, has_begun, thread
from its_agent.ledger import SOLVE, Ledger
from its_agent.policy import strategy_named
from its_agent.preflight import counted, initial_state
from its_agent.solution import Candidate, Message, Problem, Solution
from its_agent.stop_signal import StopSignal
from its_agent.verifiers import Verifier

ProblemLike: TypeAlias = str | Sequence[Message] | Problem


class Agent:
    """Solves problems on one backend, each inside its own budget.

    Holds connections and worker processes: close it with `aclose`, or use it as an async context
    manager. The async names belong to the caller's event loop, the others to a background one.
    """

    def __init__(
        self,
        backend: str | Backend | BaseChatModel | None = None,
        *,
        strategy: str = "adaptive",
        max_tokens: int = 512,
        temperature: float = 0.8,
        top_p: float = 0.95,
        estimate: Iterable[str] = SOURCES,
        prices: Prices | None = None,
        verifiers: Iterable[Verifier] = (),
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Choose what answers and how the budget is spent.

        `backend` is a base URL, a Backend or a LangChain chat model; None takes ITS_BASE_URL, else
        a running embedded engine. `max_tokens` bounds every sample; `temperature` and `top_p` are
        those of warm samples; `estimate` names the sources of difficulty that may be asked.
        `verifiers` are checks that know a right answer: one that passes ends the solve as
        "verified", one that fails has no vote. `checkpointer` is any LangGraph checkpointer, and
        lets a run with a `thread_id` be resumed. Raises NoEngine, UnknownStrategy or InvalidOption.
        """
        self._strategy = strategy_named(strategy)
        self._settings = Settings(
            max_tokens=int(_within("max_tokens", max_tokens, 1, 1 << 20)),
            temperature=_within("temperature", temperature, 0.0, 2.0),
            top_p=_within("top_p", top_p, 0.01, 1.0),
            sources=_sources(estimate),
        )
        self._prices = prices
        self._verifiers = tuple(verifiers)
        self._checkpointer = checkpointer
        self._on_event = on_event
        self._backend = connect(backend)
        self._equality = AnswerEquality()
        self._graph = _compiled(self._strategy.estimates)

    async def asolve(
        self,
        problem: ProblemLike,
        *,
        max_compute_budget: int | Budget = DEFAULT_COMPUTE,
        ledger: Ledger | None = None,
        stop: StopSignal | None = None,
        thread_id: str | None = None,
    ) -> Solution:
        """Solve one problem inside a budget of compute units, or a Budget.

        `ledger` is a budget that this solve shares with others: both limits hold. `stop` ends the
        solve from outside; like a deadline it leaves the best answer so far. `thread_id` names
        the run, so that `aresume` can take it up again.

        Raises InvalidProblem, InvalidBudget, BudgetTooSmall, PromptTooLong, UnknownModel,
        InvalidOption or BackendUnreachable before any spend, and SolveFailed, with the receipt,
        when the backend was lost, or the time was up, before the first sample.
        """
        sinks = self._sinks()
        return await self._solve(problem, max_compute_budget, sinks, ledger, stop, thread_id)

    async def astream(
        self,
        problem: ProblemLike,
        *,
        max_compute_budget: int | Budget = DEFAULT_COMPUTE,
        ledger: Ledger | None = None,
        stop: StopSignal | None = None,
        thread_id: str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Solve and yield every event; the last one is Solved. Raises what `asolve` raises.

        Leaving the loop early cancels the solve and aborts its requests.
        """
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        sinks = (*self._sinks(), events.put_nowait)
        solving = asyncio.create_task(
            self._solve(problem, max_compute_budget, sinks, ledger, stop, thread_id)
        )
        solving.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await solving
        finally:
            solving.cancel()
            await asyncio.wait([solving])

    async def aresume(
        self,
        thread_id: str,
        *,
        checkpoint_id: str | None = None,
        ledger: Ledger | None = None,
        stop: StopSignal | None = None,
    ) -> Solution:
        """Go on with a run that was killed, or from an earlier moment of its history.

        Its budget goes on where it stood, wherever it is resumed from: what was in flight is
        charged at its reservation, and going back refunds nothing. A run that has ended costs
        nothing more. Raises InvalidOption where there is no such run, or it was started with
        another strategy, and what `asolve` raises.
        """
        notes: list[str] = []
        graph = self._checkpointed(notes)
        latest = await find(graph, thread_id)
        begun = state_from(latest.values)
        if begun.strategy != self._strategy.name:
            raise InvalidOption(
                f"the run {thread_id!r} was started with strategy {begun.strategy!r}, this agent "
                f"has {self._strategy.name!r}"
            )
        place = latest if checkpoint_id is None else await find(graph, thread_id, checkpoint_id)
        own = self._ledger(Budget(**begun.budget), ledger, latest.spent, begun.elapsed)
        state = state_from(place.values)
        stop = stop or StopSignal()
        offer, state = await self._met(own, stop, state, is_new=False)
        context = self._context(
            own,
            self._sinks(),
            stop,
            offer,
            durable=True,
            notes=notes,
            meter=Meter.from_plain(begun.meter),
            paid=list(candidates_of(state)),
        )
        if place.next is None:
            return solution_of(state, context)
        await charge(graph, place, latest.spent)
        return await self._run(graph, None, context, thread_id)

    async def abatch(
        self,
        problems: Iterable[ProblemLike],
        *,
        max_compute_budget: int | Budget = DEFAULT_COMPUTE,
        total_compute_budget: int | Budget | None = None,
        concurrency: int = 16,
        stop: StopSignal | None = None,
    ) -> list[Solution | ItsAgentError]:
        """Solve many problems, `concurrency` at once, each inside its own budget and all of them
        inside the total.

        Returns, in the order of the problems, a Solution or the error that its solve ended with:
        one failure does not lose the others' work.
        """
        total = None
        if total_compute_budget is not None:
            clock = asyncio.get_running_loop().time
            total = Ledger(Budget.of(total_compute_budget), prices=self._prices, clock=clock)
        places = asyncio.Semaphore(int(_within("concurrency", concurrency, 1, 1 << 16)))
        sinks = self._sinks()

        async def one(problem: ProblemLike) -> Solution | ItsAgentError:
            async with places:
                try:
                    return await self._solve(problem, max_compute_budget, sinks, total, stop, None)
                except ItsAgentError as error:
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(problem)) for problem in problems]
        return [task.result() for task in tasks]

    def solve(
        self,
        problem: ProblemLike,
        *,
        max_compute_budget: int | Budget = DEFAULT_COMPUTE,
        thread_id: str | None = None,
    ) -> Solution:
        """Do what `asolve` does, from synchronous code or inside a running event loop."""
        return loop.run(
            self.asolve(problem, max_compute_budget=max_compute_budget, thread_id=thread_id)
        )

    def resume(self, thread_id: str, *, checkpoint_id: str | None = None) -> Solution:
        """Do what `aresume` does, from synchronous code."""
        return loop.run(self.aresume(thread_id, checkpoint_id=checkpoint_id))

    def batch(
        self,
        problems: Iterable[ProblemLike],
        *,
        max_compute_budget: int | Budget = DEFAULT_COMPUTE,
        total_compute_budget: int | Budget | None = None,
        concurrency: int = 16,
    ) -> list[Solution | ItsAgentError]:
        """Do what `abatch` does, from synchronous code."""
        return loop.run(
            self.abatch(
                problems,
                max_compute_budget=max_compute_budget,
                total_compute_budget=total_compute_budget,
                concurrency=concurrency,
            )
        )

    def close(self) -> None:
        """Do what `aclose` does, for an agent that was used synchronously."""
        loop.run(self.aclose())

    async def aclose(self) -> None:
        """Close connections and worker processes."""
        await self._equality.aclose()
        await self._backend.aclose()

    async def __aenter__(self) -> Agent:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _solve(
        self,
        given: ProblemLike,
        limits: int | Budget,
        sinks: tuple[Sink, ...],
        shared: Ledger | None,
        stop: StopSignal | None,
        thread_id: str | None,
    ) -> Solution:
        problem, budget = Problem.of(given), Budget.of(limits)
        state = initial_state(problem, budget, self._strategy.name)
        notes: list[str] = []
        graph = self._graph if thread_id is None else self._checkpointed(notes)
        if thread_id is not None and await has_begun(graph, thread_id):
            raise InvalidOption(
                f"there is a run {thread_id!r} already; resume it, or give another thread_id"
            )
        ledger, stop = self._ledger(budget, shared), stop or StopSignal()
        offer, state = await self._met(ledger, stop, state)
        context = self._context(
            ledger, sinks, stop, offer, durable=thread_id is not None, notes=notes
        )
        return await self._run(graph, flat(state), context, thread_id)

    async def _run(
        self, graph: Any, state: Plain | None, context: Context, thread_id: str | None
    ) -> Solution:
        if thread_id is None:
            result = await graph.ainvoke(state, context=context, version="v2")
        else:
            result = await graph.ainvoke(
                state, thread(thread_id), context=context, version="v2", durability="sync"
            )
        solution = solution_of(result.value, context)
        context.emit(Solved, solution=solution)
        return solution

    def _checkpointed(self, notes: list[str]) -> Any:
        if self._checkpointer is None:
            raise InvalidOption(
                "a thread_id needs a checkpointer: pass checkpointer=… to the agent"
            )
        saver = ForgivingSaver(self._checkpointer, notes.append)
        graph = solve_graph(estimates=self._strategy.estimates)
        return graph.compile(name="its_agent", checkpointer=saver)

    def _ledger(
        self,
        budget: Budget,
        shared: Ledger | None,
        spent: Mapping[str, Usage] | None = None,
        elapsed: float = 0.0,
    ) -> Ledger:
        if shared is not None:
            return shared.scope(budget, name=SOLVE, spent=spent, elapsed=elapsed)
        return Ledger(
            budget,
            prices=self._prices,
            spent=spent,
            elapsed=elapsed,
            name=SOLVE,
            clock=asyncio.get_running_loop().time,
        )

    def _sinks(self) -> tuple[Sink, ...]:
        return (self._on_event,) if self._on_event else ()

    async def _met(
        self, ledger: Ledger, stop: StopSignal, state: State, *, is_new: bool = True
    ) -> tuple[Offer, State]:
        """Meet the backend, and check that it can serve a new state within the ledger."""
        try:
            async with stop.guard(ledger.remaining.seconds):
                offer = await self._backend.offer()
                if is_new:
                    room = offer.fingerprint.context_length
                    state = await counted(state, self._backend, ledger, room)
        except TimeoutError:
            raise BackendUnreachable(
                "the backend did not say what it is before the solve had to end; "
                "check that it answers, or give the solve more seconds"
            ) from None
        return offer, state

    def _context(
        self,
        ledger: Ledger,
        sinks: tuple[Sink, ...],
        stop: StopSignal,
        offer: Offer,
        *,
        durable: bool,
        notes: list[str],
        meter: Meter | None = None,
        paid: list[Candidate] | None = None,
    ) -> Context:
        emit = Emitter(ledger, sinks)
        return Context(
            backend=self._backend,
            door=MeteredBackend(self._backend, ledger, emit, offer=offer, stop=stop, meter=meter),
            offer=offer,
            ledger=ledger,
            emit=emit,
            equality=self._equality,
            strategy=self._strategy,
            settings=self._settings,
            verifiers=self._verifiers,
            durable=durable,
            notes=notes,
            paid=paid or [],
        )


def solve(
    problem: ProblemLike,
    *,
    max_compute_budget: int | Budget = DEFAULT_COMPUTE,
    backend: str | Backend | BaseChatModel | None = None,
    strategy: str = "adaptive",
) -> Solution:
    """Solve one problem with an agent of its own; see `Agent` and `Agent.asolve`."""

    async def once() -> Solution:
        async with Agent(backend, strategy=strategy) as agent:
            return await agent.asolve(problem, max_compute_budget=max_compute_budget)

    return loop.run(once())


@cache
def _compiled(estimates: bool) -> Any:
    return solve_graph(estimates=estimates).compile(name="its_agent")


def _sources(names: Iterable[str]) -> frozenset[str]:
    chosen = frozenset(names)
    unknown = sorted(chosen - set(SOURCES))
    if unknown:
        raise InvalidOption(
            f"unknown source of difficulty {unknown[0]!r}; known: {', '.join(SOURCES)}"
        )
    return chosen


def _within(name: str, value: float, low: float, high: float) -> float:
    if isinstance(value, bool) or not low <= value <= high:
        raise InvalidOption(f"{name} must be from {low:g} to {high:g}, got {value!r}")
    return value
