"""Agent: a backend and a strategy that turn problems and budgets into solutions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from its_agent import loop
from its_agent.backends.connect import connect_all
from its_agent.backends.protocol import Backend
from its_agent.batch import solve_each
from its_agent.budget import DEFAULT_COMPUTE, Budget, Prices
from its_agent.calling.rounds import solve_with_tools
from its_agent.calling.turn import policy_for_calls
from its_agent.difficulty import SOURCES
from its_agent.equality import AnswerEquality
from its_agent.errors import InvalidOption, ItsAgentError, SolveFailed
from its_agent.event_stream import events_of
from its_agent.events import Event, Sink
from its_agent.graphs.context import Settings
from its_agent.graphs.hosted import hosted_graph
from its_agent.graphs.step_scores import LIKELIHOOD, StepFunction, StepScore, step_score_of
from its_agent.graphs.steps import PARAGRAPHS, Steps, steps_named
from its_agent.host import SolverHost
from its_agent.ledger import Ledger
from its_agent.options import (
    ProfileLike,
    brought_by,
    checked_exemplars,
    profiles,
    sampling,
    sources,
    thinking_tokens,
)
from its_agent.policy import strategy_named
from its_agent.policy.market import Market
from its_agent.run_options import RunOptions
from its_agent.solution import Exemplar, Message, Problem, Solution
from its_agent.solver import Solver
from its_agent.stop_signal import StopSignal
from its_agent.tools import tools_of
from its_agent.verifiers import Examiner, Scorer, Verifier, Witness
from its_agent.within import within

ProblemLike: TypeAlias = str | Sequence[Message] | Problem
BackendLike: TypeAlias = str | Backend | BaseChatModel


class Agent:
    """Solves problems on one backend, each inside its own budget.

    Holds connections and worker processes: close it with `aclose`, or use it as an async context
    manager. The async names belong to the caller's event loop, the others to a background one.
    """

    def __init__(
        self,
        backend: BackendLike | Mapping[str, BackendLike] | None = None,
        *,
        backends: Mapping[str, BackendLike] | None = None,
        strategy: str = "adaptive",
        max_tokens: int = 512,
        temperature: float = 0.8,
        top_p: float = 0.95,
        estimate: Iterable[str] = SOURCES,
        steps: str | Steps = PARAGRAPHS,
        step_score: str | Scorer | StepScore | StepFunction = LIKELIHOOD,
        prices: Prices | None = None,
        verifiers: Iterable[Verifier | Examiner | Witness | Scorer] = (),
        exemplars: Sequence[Exemplar] = (),
        tools: Iterable[BaseTool | Callable[..., Any]] = (),
        thinking: bool | int | None = None,
        profile: ProfileLike | Mapping[str, ProfileLike] | None = None,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Choose what answers and how the budget is spent.

        `backend` is a base URL, a Backend or a LangChain chat model; None takes ITS_BASE_URL, else
        a running embedded engine. A mapping of names to several of them, which `backends` takes
        too, has the usual model first: "adaptive" buys samples of whichever brings most for its
        price. A token of another model costs its backend's `relative_cost`; for a base URL that is
        the ratio of the parameter counts that the models' names tell. `max_tokens` bounds every
        sample; `temperature` and `top_p` are those of warm samples; `estimate` names the sources of
        difficulty that may be asked.
        `steps` says where searches cut a solution: "paragraph", "sentence", or a Steps with stop
        strings or a number of tokens. `step_score` says what they take a step to be worth:
        "logprob", "self_certainty", a Scorer, or a function of the problem and the partial solution
        that gives a probability; a StepScore says of other numbers what they stand for. A step that
        it cannot score stays unscored.
        `verifiers` know a right answer, at once or by running something: an answer that passes ends
        the solve as "verified", one that fails has no vote. A witness, which can be wrong, and a
        calibrated scorer add to an answer's log-odds; scorers are what strategies that rank by
        scores go by, the first one before all. `exemplars` are pairs of a question and its worked
        answer, shown before every problem. `tools` are LangChain tools or functions: attempts call
        those that only read by themselves and vote on where they end; a call of another tool is
        made once, after it has won the vote. For strategies that only sample, "adaptive" among
        them. `thinking` has a reasoning model think or not, where its
        template knows `enable_thinking`; a number is the most tokens of thinking, where the server
        has a reasoning parser. `profile` is what was learnt of the model's samples, or the file of
        it, for several models by their names; without one it is the one that ships for the model,
        else the default. `checkpointer` is
        any LangGraph checkpointer, and lets a run with a `thread_id` be resumed. Raises NoEngine,
        UnknownStrategy or InvalidOption, and MissingExtra for a strategy that runs programs where
        there is no sandbox.
        """
        if backend is not None and backends is not None:
            raise InvalidOption("give either backend or backends, not both")
        judges = tuple(verifiers)
        named = connect_all(backend if backends is None else backends)
        chosen = strategy_named(strategy)
        self._scorers = tuple(v for v in judges if isinstance(v, Scorer))
        self._prices = prices
        self._on_event = on_event
        self._solver = Solver(
            strategy=chosen,
            settings=Settings(
                **sampling(max_tokens, temperature, top_p),
                thinking=None if thinking is None else thinking is not False,
                thinking_tokens=thinking_tokens(thinking),
                sources=sources(estimate),
                steps=steps_named(steps),
                step_score=step_score_of(step_score),
            ),
            prices=prices,
            verifiers=tuple(v for v in judges if isinstance(v, Verifier)),
            examiners=tuple(v for v in judges if isinstance(v, Examiner)),
            witnesses=tuple(v for v in judges if isinstance(v, Witness)),
            **brought_by(chosen, self._scorers),
            exemplars=checked_exemplars(exemplars),
            profiles=profiles(profile, [one.name for one in named]),
            checkpointer=checkpointer,
            backends=named,
            equality=AnswerEquality(),
        )
        self._tools = tools_of(tools)
        if self._tools:
            policy_for_calls(self._solver)

    @property
    def backend(self) -> Backend:
        """What answers: the usual one of several."""
        return self._solver.backend

    def variant(
        self,
        *,
        backend: Backend | None = None,
        strategy: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
    ) -> Agent:
        """Make an agent that differs in what is given, and shares connections and workers with
        this one: close one of both. Raises UnknownStrategy, InvalidOption or MissingExtra."""
        solver, other = self._solver, copy(self)
        chosen = solver.strategy if strategy is None else strategy_named(strategy)
        settings = replace(solver.settings, **sampling(max_tokens, temperature, top_p))
        other._solver = replace(
            solver,
            strategy=chosen,
            settings=settings,
            backends=solver.backends if backend is None else connect_all(backend),
            **brought_by(chosen, self._scorers),
        )
        return other

    async def asolve(
        self,
        problem: ProblemLike,
        *,
        max_compute_budget: int | Budget = DEFAULT_COMPUTE,
        ledger: Ledger | None = None,
        stop: StopSignal | None = None,
        thread_id: str | None = None,
        market: Market | None = None,
    ) -> Solution:
        """Solve one problem inside a budget of compute units, or a Budget.

        `ledger` is a budget that this solve shares with others: both limits hold. `market` says
        what compute has to bring, and learns what the solve has cost, so that many solves spend
        where it pays most. `stop` ends the solve from outside; like a deadline it leaves the best
        answer so far. `thread_id` names the run, so that `aresume` can take it up again.

        Raises InvalidProblem, InvalidBudget, BudgetTooSmall, PromptTooLong, UnknownModel,
        InvalidOption or BackendUnreachable before any spend, and SolveFailed, with the receipt,
        when the backend was lost, or the time was up, before the first sample.
        """
        options = self._options(ledger, stop, thread_id, market=market)
        cost = 0
        try:
            given, budget = Problem.of(problem), Budget.of(max_compute_budget)
            solution = await self._solved(given, budget, options)
            cost = solution.receipt.spent.compute
        except SolveFailed as failure:
            cost = failure.receipt.spent.compute
            raise
        finally:
            if market is not None:
                market.ended(cost)
        return solution

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
        given, budget = Problem.of(problem), Budget.of(max_compute_budget)

        def solving(sink: Sink) -> Coroutine[Any, Any, Solution]:
            options = self._options(ledger, stop, thread_id, sinks=(sink,))
            return self._solved(given, budget, options)

        async with aclosing(events_of(solving)) as events:
            async for event in events:
                yield event

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
        options = self._options(ledger, stop, thread_id)
        return await self._solver.resume(thread_id, options, checkpoint_id=checkpoint_id)

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
        inside the total, which is spent where it pays most: one price holds for all, and follows
        what is left of the total for each, so that the hard ones share what the easy ones save.

        Returns, in the order of the problems, a Solution or the error that its solve ended with:
        one failure does not lose the others' work.
        """
        given, total = list(problems), None
        if total_compute_budget is not None:
            clock = asyncio.get_running_loop().time
            total = Ledger(Budget.of(total_compute_budget), prices=self._prices, clock=clock)
        market = self._market(total, len(given))

        async def solve_one(problem: ProblemLike, budget: Budget) -> Solution:
            return await self.asolve(
                problem, max_compute_budget=budget, ledger=total, stop=stop, market=market
            )

        return await solve_each(
            given,
            solve_one,
            budget=Budget.of(max_compute_budget),
            market=market,
            concurrency=int(within("concurrency", concurrency, 1, 1 << 16)),
        )

    def _market(self, total: Ledger | None, problems: int) -> Market | None:
        """For strategies that weigh what compute brings against its price."""
        if total is None or total.budget.compute is None or not problems:
            return None
        if not self._solver.strategy.estimates:
            return None
        return Market(total=total.budget.compute, problems=problems)

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

    def graph(self, *, approve: bool = False) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The agent as a compiled LangGraph graph, to run or to take as a node of another one.

        It reads the conversation in `messages`, and `max_compute_budget` where the state has one,
        and adds the answer as a message whose `response_metadata` holds the receipt; the whole
        solution is in `solution`. Progress goes to LangGraph's custom stream, from a node of
        another graph with `subgraphs=True`. With `approve` a solve that has stopped unsure is
        interrupted, for somebody to resume it with the compute units that it may use more.
        """
        if self._tools:
            raise InvalidOption(
                "tools are for asolve; in a graph bind them to a ChatITS and serve its calls"
            )
        return hosted_graph(SolverHost(self._solver, self._options), approve=approve).compile(
            name="its_agent"
        )

    @property
    def solver(self) -> Solver:
        """What all its runs share."""
        return self._solver

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Who hears the events of all its runs."""
        return (self._on_event,) if self._on_event else ()

    def close(self) -> None:
        """Do what `aclose` does, for an agent that was used synchronously."""
        loop.run(self.aclose())

    async def aclose(self) -> None:
        """Close connections and worker processes."""
        await self._solver.equality.aclose()
        for one in self._solver.backends:
            await one.backend.aclose()

    async def __aenter__(self) -> Agent:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _solved(self, problem: Problem, budget: Budget, options: RunOptions) -> Solution:
        if not self._tools:
            return await self._solver.solve(problem, budget, options)
        if options.thread_id is not None:
            raise InvalidOption("a run with tools is not checkpointed: leave thread_id out")
        return await solve_with_tools(self._solver, problem, self._tools, budget, options)

    def _options(
        self,
        ledger: Ledger | None = None,
        stop: StopSignal | None = None,
        thread_id: str | None = None,
        sinks: tuple[Sink, ...] = (),
        market: Market | None = None,
    ) -> RunOptions:
        return RunOptions(
            sinks=(*self.sinks, *sinks),
            ledger=ledger,
            stop=stop,
            thread_id=thread_id,
            market=market,
        )
