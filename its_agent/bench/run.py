"""Running strategies on problems: several problems at once, each run recorded when it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass
from functools import partial

from its_agent.agent import Agent
from its_agent.backends.pool import PoolBackend
from its_agent.backends.protocol import Backend
from its_agent.backends.recording import RecordingBackend
from its_agent.bench.function_calls import told
from its_agent.bench.grading import Grader
from its_agent.bench.problems import BenchProblem
from its_agent.bench.runs import Run, RunKey, failed_run, solved_run
from its_agent.bench.seats import Seats
from its_agent.bench.variant import agent_options
from its_agent.budget import Budget
from its_agent.calling.turn import call, request_with_tools
from its_agent.difficulty.profile import Profile
from its_agent.errors import BackendLost, InvalidInput, SolveFailed
from its_agent.receipt import Fingerprint, Receipt
from its_agent.run_options import RunOptions
from its_agent.solution import Solution
from its_agent.together import together
from its_agent.verifiers import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run that is to be made."""

    problem: BenchProblem
    strategy: str
    budget: int
    order: int = 0

    @property
    def key(self) -> RunKey:
        """The key of the run that this job makes."""
        return (self.problem.id, self.strategy, self.budget, self.order)


def schedule(
    problems: Sequence[BenchProblem],
    *,
    strategies: Sequence[str],
    budgets: Sequence[int],
    order: int = 0,
    done: Collection[RunKey] = (),
) -> list[list[Job]]:
    """The jobs of each problem that has any left: largest budget first, strategies side by side.

    The first strategy of a problem meets a cold prefix cache, so each takes its turn at it.
    """
    plan = [
        [
            Job(problem=problem, strategy=strategy, budget=budget, order=order)
            for budget in sorted(budgets, reverse=True)
            for strategy in _rotated(strategies, turn)
        ]
        for turn, problem in enumerate(problems)
    ]
    left = [[job for job in jobs if job.key not in done] for jobs in plan]
    return [jobs for jobs in left if jobs]


def _rotated(strategies: Sequence[str], turn: int) -> list[str]:
    first = turn % len(strategies)
    return [*strategies[first:], *strategies[:first]]


def check_same_engine(runs: Collection[Run], *engines: Fingerprint) -> None:
    """Raise InvalidInput when earlier runs come from another model, engine or number format than
    these have."""
    now = [(one.model, one.engine, one.dtype) for one in engines]
    for run in runs:
        before = (run.engine.model, run.engine.engine, run.engine.dtype)
        if before not in now:
            raise InvalidInput(
                f"the runs file holds runs of {_named(before)}, this is "
                f"{' and '.join(map(_named, now))}; "
                "give another --out, or the engine that made those runs"
            )


def _named(engine: Sequence[str | None]) -> str:
    return ", ".join(part for part in engine if part)


async def run_jobs(
    plan: Sequence[Sequence[Job]],
    backend: Backend | Mapping[str, Backend],
    *,
    concurrency: int,
    command: str,
    on_run: Callable[[Run], None],
    sandbox: Sandbox | None = None,
    max_tokens: int = 512,
    temperature: float = 0.8,
    top_p: float = 0.95,
    profile: Profile | Mapping[str, Profile] | None = None,
) -> None:
    """Make every run of the plan, `concurrency` problems at once, and hand over each. Of several
    backends a strategy has those that it names, or the first.

    A backend that goes away ends the benchmark with its BackendError, so that no run counts as
    wrong for it; any other failure of a run is recorded. Every run meets a RecordingBackend and a
    PoolBackend from the beginning; on a pool there is one run at a time.
    """
    strategies = {job.strategy for jobs in plan for job in jobs}
    waiting = iter(plan)
    seats = Seats.of(backend, profile)
    make = partial(Agent, max_tokens=max_tokens, temperature=temperature, top_p=top_p)
    async with _agents(strategies, make, seats) as agents:
        bench = Bench(
            agents=agents,
            command=command,
            grader=Grader(sandbox),
            backends=seats.backends,
        )
        is_pool = any(isinstance(one, PoolBackend) for one in bench.backends)
        workers = 1 if is_pool else min(concurrency, len(plan))
        async with together() as group:
            for _ in range(workers):
                group.create_task(_work(waiting, bench, on_run))


@asynccontextmanager
async def _agents(
    strategies: Collection[str], make: Callable[..., Agent], seats: Seats
) -> AsyncGenerator[Mapping[str, Agent]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                make(**agent_options(name), **seats.taken_by(name))
            )
            for name in strategies
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all runs of a benchmark share."""

    agents: Mapping[str, Agent]
    command: str
    grader: Grader
    backends: Sequence[Backend]

    async def run(self, job: Job) -> Run:
        """Solve one problem and record it. Raises BackendError when the backend goes away."""
        with ExitStack() as stack:
            for backend in self.backends:
                stack.enter_context(_from_the_beginning(backend))
            return await self._run(job)

    async def _run(self, job: Job) -> Run:
        problem, budget, order = job.problem, job.budget, job.order
        agent = self.agents[job.strategy]
        named = {"strategy": job.strategy, "command": self.command}
        try:
            solution = await _solved(agent, problem, Budget(compute=budget))
        except (InvalidInput, SolveFailed) as error:
            if isinstance(error, SolveFailed):
                _refuse_lost(error.receipt)
            engine = (await agent.backend.offer()).fingerprint
            return failed_run(problem, error, budget=budget, order=order, engine=engine, **named)
        _refuse_lost(solution.receipt)
        return await solved_run(problem, solution, self.grader, budget=budget, order=order, **named)


async def _solved(agent: Agent, problem: BenchProblem, budget: Budget) -> Solution:
    """The answer, or, where functions can be called, the calls that it asks for."""
    if not problem.tools:
        return await agent.asolve(problem.posed, max_compute_budget=budget)
    functions = [told(tool) for tool in problem.tools]
    asked = request_with_tools(
        agent.solver, problem.posed, functions, tool_choice=None, parallel_calls=None
    )
    return (await call(agent.solver, problem.posed, asked, budget, RunOptions())).solution


def _from_the_beginning(backend: Backend) -> AbstractContextManager[None]:
    """What a run starts with: the same samples in the same order, where the backend keeps any."""
    if isinstance(backend, RecordingBackend):
        return backend.replay()
    if isinstance(backend, PoolBackend):
        backend.reset()
    return nullcontext()


async def _work(
    waiting: Iterator[Sequence[Job]], bench: Bench, on_run: Callable[[Run], None]
) -> None:
    for jobs in waiting:
        for job in jobs:
            on_run(await bench.run(job))


def _refuse_lost(receipt: Receipt) -> None:
    if receipt.stopped_because == "backend_lost":
        why = "; ".join(receipt.notes) or "the backend went away"
        raise BackendLost(f"{why}; the runs so far are kept, start the same command to go on")
