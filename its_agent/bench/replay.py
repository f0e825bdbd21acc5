"""Replaying a recorded pool: every strategy meets the same samples in the same order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from its_agent.backends.pool import PoolBackend
from its_agent.backends.protocol import Request
from its_agent.bench.first_request import first_request
from its_agent.bench.problems import BenchProblem
from its_agent.bench.run import Job, check_same_engine, run_jobs
from its_agent.bench.runs import Run
from its_agent.errors import InvalidInput


async def held_problems(
    problems: Sequence[BenchProblem], pool: Path, *, temperature: float, top_p: float
) -> list[BenchProblem]:
    """The problems that the pool has samples of under this sampling, in their order.

    Raises InvalidInput when it has none, and InvalidOption for a file that is no pool.
    """
    sampling = Request(messages=(), max_tokens=512, temperature=temperature, top_p=top_p)
    async with aclosing(PoolBackend(pool)) as backend:
        held = [one for one in problems if await backend.supply(first_request(one, sampling))]
    if not held:
        known = {f"{row.temperature:g} and {row.top_p:g}" for row in backend.rows}
        raise InvalidInput(
            f"the pool {pool} holds none of these problems at temperature {temperature:g} and "
            f"top-p {top_p:g}; its samples were taken at {'; '.join(sorted(known))}"
        )
    return held


async def replay_jobs(
    plans: Sequence[Sequence[Sequence[Job]]],
    pool: Path,
    *,
    earlier: Sequence[Run],
    command: str,
    on_run: Callable[[Run], None],
    max_tokens: int,
    temperature: float,
    top_p: float,
) -> None:
    """Make the runs of each order's plan on the pool in that order, one at a time.

    Raises InvalidInput when earlier runs come from something else.
    """
    left = ((order, plan) for order, plan in enumerate(plans) if plan)
    for order, plan in left:
        async with aclosing(PoolBackend(pool, seed=order)) as backend:
            check_same_engine(earlier, (await backend.offer()).fingerprint)
            await run_jobs(
                plan,
                backend,
                concurrency=1,
                command=command,
                on_run=on_run,
                max_tokens=max_tokens,
                temperature=temperature,
                top_p=top_p,
            )
