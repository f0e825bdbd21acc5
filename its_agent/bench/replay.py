"""Replaying a recorded pool: every strategy meets the same samples in the same order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from its_agent.backends.pool import PoolBackend
from its_agent.backends.pool_file import read_pool
from its_agent.backends.protocol import Request
from its_agent.bench.first_request import first_request
from its_agent.bench.problems import BenchProblem
from its_agent.bench.run import Job, check_same_engine, run_jobs
from its_agent.bench.runs import Run
from its_agent.difficulty.calibrate import cross_fitted
from its_agent.difficulty.graded import graded
from its_agent.difficulty.profile import Profile
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
    folds: int = 0,
) -> None:
    """Make the runs of each order's plan on the pool in that order, one at a time.

    With `folds` every problem is met with a profile that was fitted on the other parts of the pool,
    without with the shipped one. Raises InvalidInput when earlier runs come from something else, or
    the pool cannot be split so, and MissingExtra where a profile cannot be fitted.
    """
    left = [(order, plan) for order, plan in enumerate(plans) if plan]
    parts = _fitted_without(pool, folds) if left and folds else [_Part()]
    for order, plan in left:
        async with aclosing(PoolBackend(pool, seed=order)) as backend:
            check_same_engine(earlier, (await backend.offer()).fingerprint)
            for part in parts:
                await run_jobs(
                    part.of(plan),
                    backend,
                    concurrency=1,
                    command=command,
                    on_run=on_run,
                    max_tokens=max_tokens,
                    temperature=temperature,
                    top_p=top_p,
                    profile=part.profile,
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Problems that are met with one profile."""

    profile: Profile | None = None
    """None for the shipped one."""
    ids: frozenset[str] | None = None
    """None for all problems."""

    def of(self, plan: Sequence[Sequence[Job]]) -> list[Sequence[Job]]:
        if self.ids is None:
            return list(plan)
        return [jobs for jobs in plan if jobs[0].problem.id in self.ids]


def _fitted_without(pool: Path, folds: int) -> list[_Part]:
    rows = read_pool(pool).rows
    model = PoolBackend(pool).model
    problems = graded(rows, model=model)
    return [
        _Part(profile=fold.profile, ids=frozenset(one.id for one in fold.held_out))
        for fold in cross_fitted(problems, model=model, folds=folds)
    ]
