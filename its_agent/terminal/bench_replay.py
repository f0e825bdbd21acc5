"""`its-agent bench run --replay`: the runs that need no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from its_agent.terminal.bench import earlier_runs, keeping, open_runs
from its_agent.terminal.bench_plan import Plan
from its_agent.terminal.pace import Pace

if TYPE_CHECKING:
    from its_agent.bench.problems import BenchProblem
    from its_agent.bench.replay import Recorded


async def replay_runs(plan: Plan, console: Console) -> None:
    """Make the plan's runs on the pool, and record each as it ends."""
    from its_agent.bench.replay import Recorded, replay_jobs

    pool = Recorded(files=plan.replay, models=plan.models)
    earlier = earlier_runs(plan.out)
    chosen = await _chosen(plan, pool, console)
    done = {run.key for run in earlier}
    plans = [plan.jobs(chosen, done, order=order) for order in range(plan.orders)]
    open_runs(plan.out)
    total = sum(len(jobs) for jobs_of_order in plans for jobs in jobs_of_order)
    console.print(f"{total:,} runs to make, {len(earlier):,} are there", highlight=False)
    await replay_jobs(
        plans,
        pool,
        earlier=earlier,
        command=plan.command,
        on_run=keeping(plan.out, Pace(console, total)),
        max_tokens=plan.max_tokens,
        temperature=plan.temperature,
        top_p=plan.top_p,
        folds=plan.folds,
        profiles=plan.read_profiles(),
    )


async def _chosen(plan: Plan, pool: Recorded, console: Console) -> list[BenchProblem]:
    from its_agent.bench.problems import all_problems, first_problems
    from its_agent.bench.replay import held_problems

    every = all_problems(plan.problems, exclude=plan.exclude)
    held = await held_problems(every, pool, temperature=plan.temperature, top_p=plan.top_p)
    console.print(
        f"the pool holds {len(held):,} of {len(every):,} problems and lacks "
        f"{len(every) - len(held):,}",
        highlight=False,
    )
    return first_problems(plan.limit, held, where=f"{pool} holds")
