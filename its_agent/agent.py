"""Agent: a backend and a strategy that turn problems and budgets into solutions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from types import TracebackType
from typing import TypeAlias

from its_agent import loop
from its_agent.answers import infer_answer_type
from its_agent.backends.connect import connect
from its_agent.backends.metered import MIN_TOKENS, MeteredBackend
from its_agent.backends.protocol import Backend, Offer, Request
from its_agent.budget import DEFAULT_COMPUTE, Budget, Ledger, Prices, Usage, compute_units
from its_agent.difficulty import SOURCES
from its_agent.equality import AnswerEquality
from its_agent.errors import BudgetTooSmall, InvalidOption, PromptTooLong
from its_agent.events import Emitter, Event, Sink, Solved
from its_agent.graphs.context import Context, Settings
from its_agent.graphs.outcome import solution_of
from its_agent.graphs.solve import solve_graph
from its_agent.graphs.state import State
from its_agent.policy import strategy_named
from its_agent.prompts import ask
from its_agent.solution import AnswerType, Message, Problem, Solution

ProblemLike: TypeAlias = str | Sequence[Message] | Problem

ROOMY_CONTEXT = 1 << 20
"""Taken for the context of a backend that does not tell it."""


class Agent:
    """Solves problems on one backend, each inside its own budget.

    Holds connections and worker processes: close it with `aclose`, or use it as an async context
    manager. `asolve` and `astream` belong to the caller's event loop, `solve` to a background one.
    """

    def __init__(
        self,
        backend: str | Backend | None = None,
        *,
        strategy: str = "adaptive",
        max_tokens: int = 512,
        temperature: float = 0.8,
        top_p: float = 0.95,
        estimate: Iterable[str] = SOURCES,
        prices: Prices | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Choose what answers and how the budget is spent.

        `backend` is a base URL or a Backend; None takes ITS_BASE_URL, else a running embedded
        engine. `max_tokens` bounds every sample; `temperature` and `top_p` are those of warm
        samples; `estimate` names the sources of difficulty that may be asked. Raises NoEngine,
        UnknownStrategy or InvalidOption.
        """
        self._strategy = strategy_named(strategy)
        self._settings = Settings(
            max_tokens=int(_within("max_tokens", max_tokens, 1, 1 << 20)),
            temperature=_within("temperature", temperature, 0.0, 2.0),
            top_p=_within("top_p", top_p, 0.01, 1.0),
            sources=_sources(estimate),
        )
        self._prices = prices
        self._on_event = on_event
        self._backend = connect(backend)
        self._equality = AnswerEquality()
        self._graph = solve_graph().compile(name="its_agent")

    async def asolve(
        self, problem: ProblemLike, *, max_compute_budget: int | Budget = DEFAULT_COMPUTE
    ) -> Solution:
        """Solve one problem inside a budget of compute units, or a Budget.

        Raises InvalidProblem, InvalidBudget, BudgetTooSmall, PromptTooLong, UnknownModel or
        BackendUnreachable before any spend, and SolveFailed, with the receipt, when the backend
        was lost before the first sample.
        """
        return await self._solve(problem, max_compute_budget, self._sinks())

    async def astream(
        self, problem: ProblemLike, *, max_compute_budget: int | Budget = DEFAULT_COMPUTE
    ) -> AsyncGenerator[Event, None]:
        """Solve and yield every event; the last one is Solved. Raises what `asolve` raises.

        Leaving the loop early cancels the solve and aborts its requests.
        """
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        solving = asyncio.create_task(
            self._solve(problem, max_compute_budget, (*self._sinks(), events.put_nowait))
        )
        solving.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await solving
        finally:
            solving.cancel()
            await asyncio.wait([solving])

    def solve(
        self, problem: ProblemLike, *, max_compute_budget: int | Budget = DEFAULT_COMPUTE
    ) -> Solution:
        """Do what `asolve` does, from synchronous code or inside a running event loop."""
        return loop.run(self.asolve(problem, max_compute_budget=max_compute_budget))

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
        self, given: ProblemLike, limits: int | Budget, sinks: tuple[Sink, ...]
    ) -> Solution:
        problem, budget = Problem.of(given), Budget.of(limits)
        ledger = Ledger(budget, prices=self._prices)
        offer = await self._backend.offer()
        context = self._context(ledger, offer, sinks)
        state = _initial_state(problem)
        await self._check_affordable(state, context)
        result = await self._graph.ainvoke(state, context=context, version="v2")
        solution = solution_of(result.value, context)
        context.emit(Solved, solution=solution)
        return solution

    def _sinks(self) -> tuple[Sink, ...]:
        return (self._on_event,) if self._on_event else ()

    def _context(self, ledger: Ledger, offer: Offer, sinks: tuple[Sink, ...]) -> Context:
        emit = Emitter(ledger, sinks)
        room = offer.fingerprint.context_length or ROOMY_CONTEXT
        return Context(
            backend=self._backend,
            door=MeteredBackend(self._backend, ledger, emit, context=room),
            offer=offer,
            ledger=ledger,
            emit=emit,
            equality=self._equality,
            strategy=self._strategy,
            settings=self._settings,
        )

    async def _check_affordable(self, state: State, context: Context) -> None:
        prompt = await self._backend.count_prompt(_shortest(state))
        room = context.offer.fingerprint.context_length
        if room is not None and prompt + MIN_TOKENS > room:
            raise PromptTooLong(
                f"the prompt has {prompt:,} tokens and the model's context {room:,}; at least "
                f"{MIN_TOKENS} must be left for the answer: shorten the problem"
            )
        price = compute_units(
            prompt=prompt,
            cached=0,
            completion=MIN_TOKENS,
            relative_cost=self._backend.relative_cost,
        )
        least = Usage(prompt_tokens=prompt, completion_tokens=MIN_TOKENS, requests=1, compute=price)
        shortfall = context.ledger.shortfall(least)
        if shortfall is not None:
            raise BudgetTooSmall(
                f"{shortfall}: one call with this prompt ({prompt:,} tokens) and an answer of at "
                f"least {MIN_TOKENS} tokens needs {price:,} compute units; raise the budget"
            )


def solve(
    problem: ProblemLike,
    *,
    max_compute_budget: int | Budget = DEFAULT_COMPUTE,
    backend: str | Backend | None = None,
    strategy: str = "adaptive",
) -> Solution:
    """Solve one problem with an agent of its own; see `Agent` and `Agent.asolve`."""

    async def once() -> Solution:
        async with Agent(backend, strategy=strategy) as agent:
            return await agent.asolve(problem, max_compute_budget=max_compute_budget)

    return loop.run(once())


def _initial_state(problem: Problem) -> State:
    return State(
        messages=[dict(message) for message in problem.messages],
        answer_type=_answer_type(problem),
        schema=None if problem.schema is None else dict(problem.schema),
    )


def _answer_type(problem: Problem) -> AnswerType:
    if problem.schema is not None:
        return "json"
    return problem.answer_type or infer_answer_type(problem.question)


def _shortest(state: State) -> Request:
    arm = "plain" if state.answer_type == "text" else "step_by_step"
    return Request(messages=ask(arm, state.messages, state.answer_type), max_tokens=MIN_TOKENS)


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
