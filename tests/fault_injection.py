"""Random solves on faulty engines: any budget, strategy, schedule of faults, end and concurrency.

    python tests/fault_injection.py --cases 100000 [--first SEED] [--processes N]

One seed is one case, whatever the machine, and takes the same course each time: the clock is
virtual, and the waits between tries are drawn from the seed too. A failing case prints its seed,
whatever went wrong, be it that it takes for ever; `--first SEED --cases 1` replays it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Literal, get_args

from foretelling import ForetellingBackend
from virtual_time import in_virtual_time

from its_agent import Agent, Budget, Ledger, Solution, StopSignal, Usage
from its_agent.backends.faulty import Fault, FaultyBackend, Kind
from its_agent.backends.protocol import ALL_CAPABILITIES, Capability, Offer, Request
from its_agent.backends.sample import ABORT_LAG
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import (
    BackendError,
    BudgetExceeded,
    InvalidBudget,
    ItsAgentError,
    PromptTooLong,
    SolveFailed,
)
from its_agent.events import Event
from its_agent.policy import STRATEGIES

TOKENS_ONLY = sorted(name for name, one in STRATEGIES.items() if not one.runs_programs)
"""Strategies that start no process: virtual time does not wait for one."""
QUESTIONS = (
    "How many eggs are there in 3 boxes of 6?",
    "What is the capital of France?",
    "Write a poem about rain. " * 20,
)
KINDS: tuple[Kind, ...] = get_args(Kind)
CAPABILITIES: tuple[Capability, ...] = ("n", "logprobs", "top_logprobs", "structured")
HANG_SECONDS = 1e7
"""Virtual time after which a case counts as hanging."""
LONGEST_SECONDS = 60
"""Real time after which it counts as going round in circles."""
End = Literal["none", "cancel", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that is random about a case."""

    seed: int
    shared: int
    budgets: tuple[Budget, ...]
    strategy: str
    question: str
    replies: tuple[Reply, ...]
    faults: tuple[Fault | None, ...]
    capabilities: frozenset[Capability]
    end: End
    end_after: float
    chunk: int
    cost: float
    foretells: bool
    """The engine's backend knows bounds of prompts that it has not counted."""
    pages: tuple[Fault | None, ...]
    """Of calls that generate nothing."""


class Narrow(FaultyBackend):
    """Has room for one solve of an agent at a time."""

    async def offer(self) -> Offer:
        return replace(await super().offer(), concurrency=1)


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the events of one solve showed."""

    worst: int = 0

    def __call__(self, event: Event) -> None:
        self.worst = max(self.worst, event.spent.compute + event.held.compute)


@dataclass(slots=True, kw_only=True)
class Disobedience:
    """Requests that a server answered beyond their limits."""

    tokens: int = 0
    schedule: tuple[Fault | None, ...] = ()
    chunk: int = 1

    def __call__(self, place: int, request: Request) -> Fault | None:
        fault = self.schedule[place % len(self.schedule)]
        if fault is not None and fault.kind == "ignores_max_tokens":
            self.tokens += self.chunk + request.n * (ABORT_LAG + self.chunk)
        return fault


def case(seed: int) -> Case:
    """Draw a case."""
    draw = random.Random(seed)
    solves = draw.choice((1, 1, 1, 2, 3))
    faulty = draw.random()
    return Case(
        seed=seed,
        shared=int(10 ** draw.uniform(1.5, 4)),
        budgets=tuple(_budget(draw) for _ in range(solves)),
        strategy=draw.choice(TOKENS_ONLY),
        question=draw.choice(QUESTIONS),
        replies=tuple(_reply(draw) for _ in range(draw.randint(1, 8))),
        faults=tuple(
            _fault(draw) if draw.random() < faulty else None for _ in range(draw.randint(1, 8))
        ),
        capabilities=frozenset(
            c for c in sorted(ALL_CAPABILITIES) if c not in CAPABILITIES or draw.random() < 0.85
        ),
        end=draw.choice(("none", "none", "cancel", "stop")),
        end_after=draw.uniform(0, 30),
        chunk=draw.choice((8, 32, 128)),
        cost=draw.choice((1.0, 1.0, 0.3, 2.5)),
        foretells=draw.random() < 0.5,
        pages=_pages(draw),
    )


def _pages(draw: random.Random) -> tuple[Fault | None, ...]:
    faulty = max(0.0, draw.uniform(-0.7, 0.3))
    return tuple(_fault(draw) if draw.random() < faulty else None for _ in range(12))


def _budget(draw: random.Random) -> Budget:
    return Budget(
        compute=int(10 ** draw.uniform(1.3, 3.7)),
        requests=draw.choice((None, None, None, draw.randint(1, 12))),
        seconds=draw.choice((None, None, draw.uniform(0.01, 60))),
    )


def _reply(draw: random.Random) -> Reply:
    tokens = draw.randint(1, 600)
    text = draw.choice(
        (
            f"So it is \\boxed{{{draw.randint(0, 3)}}}.",
            "no idea",
            "First step.\n\nSecond step: \\boxed{18}.",
            "First step.\n\n",
            "No errors.",
            "",
        )
    )
    return Reply(text=text, tokens=tokens if text else 0, logprob=draw.uniform(-3, -0.01))


def _fault(draw: random.Random) -> Fault:
    return Fault(
        kind=draw.choice(KINDS),
        after=draw.randint(0, 40),
        seconds=draw.choice((0.0, draw.uniform(0, 5), 600.0)),
        status=draw.choice((400, 401, 429, 500, 503)),
        capability=draw.choice(CAPABILITIES),
        factor=draw.choice((0.0, 0.5, 2.0, 1e4)),
    )


async def check(case: Case) -> None:
    """Run a case; raises AssertionError where a promise is broken."""
    before = asyncio.all_tasks()
    inner = (ForetellingBackend if case.foretells else ScriptedBackend)(
        lambda request, index: case.replies[index % len(case.replies)],
        relative_cost=case.cost,
        capabilities=case.capabilities,
        delay=0.05,
        chunk_tokens=case.chunk,
        abort_lag=ABORT_LAG,
    )
    if isinstance(inner, ForetellingBackend):
        await inner.meet()
    disobedience = Disobedience(schedule=case.faults, chunk=case.chunk)
    backend = Narrow(inner, disobedience, pages=lambda place: case.pages[place % len(case.pages)])
    clock = asyncio.get_running_loop().time
    shared = Ledger(Budget(compute=case.shared), clock=clock)
    seen = [Seen() for _ in case.budgets]
    stop = StopSignal()
    agents = [Agent(backend, strategy=case.strategy, on_event=each) for each in seen]
    tasks = [
        asyncio.create_task(
            agent.asolve(case.question, max_compute_budget=budget, ledger=shared, stop=stop)
        )
        for agent, budget in zip(agents, case.budgets, strict=True)
    ]
    if case.end != "none":
        asyncio.get_running_loop().call_later(
            case.end_after, stop.set if case.end == "stop" else tasks[0].cancel
        )
    _, hanging = await asyncio.wait(tasks, timeout=HANG_SECONDS)
    # Looked at here, so that no error is reported a second time as never retrieved.
    _ = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    assert not hanging, f"{len(hanging)} solves hang"
    assert asyncio.all_tasks() == before, "a task is left over"
    assert shared.held.compute == 0, "a reservation is left over"
    assert shared.held.requests == 0, "a reservation is left over"
    await _check_permits(agents, shared)
    excess = int(disobedience.tokens * case.cost) + len(case.faults)
    slack = excess if disobedience.tokens else 0
    assert shared.spent.compute <= case.shared + slack, "the shared budget is overspent"
    charged = shared.spent.completion_tokens + disobedience.tokens
    assert charged >= inner.generated_tokens, "less is charged than was made"
    for agent in agents:
        await agent.aclose()
    for task, budget, events in zip(tasks, case.budgets, seen, strict=True):
        assert budget.compute is not None
        assert events.worst <= budget.compute + slack, "a budget is overspent"
        _check_end(task, case, slack, worst=events.worst)


async def _check_permits(agents: Sequence[Agent], shared: Ledger) -> None:
    """Nobody stands in the ledger's line, and every agent's only place is free."""
    try:
        async with asyncio.timeout(1), AsyncExitStack() as held:
            # A server that ignores max_tokens may have left less than nothing.
            with suppress(BudgetExceeded):
                _, probe = await shared.acquire(lambda left: (None, Usage()), "probe")
                probe.settle(Usage())
            for agent in agents:
                await held.enter_async_context(agent.solver.places.taken(1))
    except TimeoutError:
        raise AssertionError("a permit is left over") from None


def _check_end(task: asyncio.Task[Solution], case: Case, slack: int, *, worst: int) -> None:
    if task.cancelled():
        assert case.end == "cancel", "a solve was cancelled that nobody cancelled"
        return
    error = task.exception()
    if error is not None:
        assert isinstance(error, ItsAgentError), f"an error without a type: {error!r}"
        if not isinstance(error, SolveFailed):
            before_any_spend = (InvalidBudget, PromptTooLong, BackendError)
            assert isinstance(error, before_any_spend), f"an error without a receipt: {error!r}"
            assert worst == 0, f"an error without a receipt after {worst} units: {error!r}"
            return
        receipt = error.receipt
    else:
        solution = task.result()
        receipt = solution.receipt
        assert (solution.answer is None) == (solution.status == "abstained")
        assert "gone" not in (solution.answer or ""), "an error text is the answer"
        assert 0 <= solution.confidence <= 1
    total = sum(receipt.by_purpose.values(), Usage())
    assert total.compute == receipt.spent.compute, "the purposes do not add up"
    assert receipt.budget.compute is not None
    assert receipt.spent.compute <= receipt.budget.compute + slack
    if receipt.budget.requests is not None:
        assert receipt.spent.requests <= receipt.budget.requests


def run(seeds: Sequence[int]) -> list[tuple[int, str]]:
    """Run cases, and return the seeds of those that failed, with what went wrong."""
    return [(seed, why) for seed in seeds if (why := trouble_of(seed)) is not None]


def trouble_of(seed: int) -> str | None:
    """Run a case, and say what went wrong with it."""
    random.seed(seed)
    before = signal.signal(signal.SIGALRM, _going_round)
    signal.alarm(LONGEST_SECONDS)
    try:
        error = in_virtual_time(_error_of(case(seed)))
    except GoingRound:
        return f"it takes longer than {LONGEST_SECONDS} seconds"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return None if error is None else f"{type(error).__name__}: {error}"


async def _error_of(case: Case) -> BaseException | None:
    checking = asyncio.create_task(check(case))
    await asyncio.wait([checking])
    return checking.exception()


class GoingRound(KeyboardInterrupt):
    """A case that does not end; of a kind that an event loop lets through."""


def _going_round(number: int, frame: object) -> None:
    raise GoingRound


def run_many(first: int, cases: int, processes: int) -> list[tuple[int, str]]:
    """Run cases on several processes."""
    size = max(1, min(500, cases // processes))
    parts = [range(at, min(at + size, first + cases)) for at in range(first, first + cases, size)]
    failed: list[tuple[int, str]] = []
    with ProcessPoolExecutor(processes) as pool:
        for number, part in enumerate(pool.map(run, parts), start=1):
            failed += part
            print(f"{min(number * size, cases):,} of {cases:,} cases, {len(failed)} failed")
    return failed


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if asked.cases == 1:
        print(case(asked.first))
        random.seed(asked.first)
        in_virtual_time(check(case(asked.first)))
        return
    failed = run_many(asked.first, asked.cases, asked.processes)
    for seed, why in failed[:20]:
        print(f"seed {seed}: {why}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
