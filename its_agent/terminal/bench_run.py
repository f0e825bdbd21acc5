"""`its-agent bench run`: strategies against each other on a file of problems."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from its_agent.errors import InvalidOption
from its_agent.terminal.bench import earlier_runs, keeping, open_runs
from its_agent.terminal.bench_plan import Plan
from its_agent.terminal.bench_replay import replay_runs
from its_agent.terminal.checks import listed, named_models, whole_numbers
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.options import BaseUrl, MaxTokens, Model, Temperature, TopP
from its_agent.terminal.pace import Pace

if TYPE_CHECKING:
    from its_agent.backends.protocol import Backend
    from its_agent.bench.run import Job
    from its_agent.bench.runs import Run


def run(
    context: typer.Context,
    problems: Annotated[Path, typer.Argument(help="JSON lines of id, problem, answer (or .gz).")],
    *,
    out: Annotated[Path, typer.Option(help="The file of runs; those already in it are kept.")],
    limit: Annotated[int, typer.Option(help="How many problems, from the first.")] = 30,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="Leave out the problems of this file; may be given several times."),
    ] = None,
    budgets: Annotated[
        str, typer.Option(help="Compute units a solve, with commas.")
    ] = "500,1500,4000",
    strategies: Annotated[
        str,
        typer.Option(
            help="Names with commas; with a step score, beam:p_true, or temperature, mbr@0.5."
        ),
    ] = "adaptive,single_pass,self_consistency",
    concurrency: Annotated[int, typer.Option(help="Problems worked on at once.")] = 4,
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.8,
    top_p: TopP = 0.95,
    record: Annotated[
        Path | None,
        typer.Option(help="Keep samples in this file: all strategies get the same ones."),
    ] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option(
            help="Start no engine: take the samples from this recorded pool; may be given again."
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Several of the pool's models, small=NAME,large=NAME; adaptive/small+large has "
            "both, mbr/large the second, all others the first."
        ),
    ] = None,
    orders: Annotated[
        int, typer.Option(help="How many orders of the pool's samples all strategies meet.")
    ] = 1,
    folds: Annotated[
        int,
        typer.Option(
            min=0, help="Fit the profile on the pool's other parts of so many; 0 for the shipped."
        ),
    ] = 0,
    profile: Annotated[
        list[Path] | None,
        typer.Option(
            help="A profile file for the model, given again for another of --models; what ships "
            "for it else."
        ),
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Solve problems with each strategy at each budget, one JSON line a run."""
    plan = Plan(
        problems=problems,
        exclude=exclude or [],
        limit=limit,
        budgets=whole_numbers(budgets, option="--budgets"),
        strategies=listed(strategies, option="--strategies"),
        concurrency=concurrency,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        model=model,
        out=out,
        record=record,
        replay=tuple(replay or ()),
        models=named_models(models),
        orders=orders,
        folds=folds,
        profiles=tuple(profile or ()),
    )
    console = Console(stderr=True)
    if plan.replay:
        _refuse_live_options(context)
        asyncio.run(replay_runs(plan, console))
        return
    _run_live(plan, base_url, console)


def _refuse_live_options(context: typer.Context) -> None:
    """Only what was typed counts: an address in the environment is for other commands too."""
    for name in ("base_url", "record", "model", "concurrency"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InvalidOption(
                f"--{name.replace('_', '-')} is for an engine, and --replay starts none; "
                "leave one of them out"
            )


def _run_live(plan: Plan, base_url: str | None, console: Console) -> None:
    from its_agent.bench.problems import read_problems

    earlier = earlier_runs(plan.out)
    chosen = read_problems(plan.problems, limit=plan.limit, exclude=plan.exclude)
    jobs = plan.jobs(chosen, {run.key for run in earlier})
    open_runs(plan.out)
    total = sum(map(len, jobs))
    console.print(f"{total:,} runs to make, {len(earlier):,} are there", highlight=False)
    if total:
        ceiling = sum(job.budget for listed_jobs in jobs for job in listed_jobs)
        console.print(f"at most {ceiling:,} compute units (tokens) in all", highlight=False)
        pace = Pace(console, total)
        with engine(base_url, plan.model, console=console) as place:
            asyncio.run(bench_at(place, plan, jobs, earlier, pace))


async def bench_at(
    place: Engine, plan: Plan, jobs: Sequence[Sequence[Job]], earlier: Sequence[Run], pace: Pace
) -> None:
    """Make the runs with the engine at this place, and record each as it ends."""
    from its_agent.bench.run import check_same_engine, run_jobs

    async with aclosing(recorded(place.backend(), plan)) as backend:
        check_same_engine(earlier, (await backend.offer()).fingerprint)
        await run_jobs(
            jobs,
            backend,
            concurrency=plan.concurrency,
            command=plan.command,
            on_run=keeping(plan.out, pace),
            max_tokens=plan.max_tokens,
            temperature=plan.temperature,
            top_p=plan.top_p,
            profile=next(iter(plan.read_profiles()), None),
        )


def recorded(backend: Backend, plan: Plan) -> Backend:
    """The backend, with the record that the plan asks for."""
    from its_agent.backends.recording import RecordingBackend

    if plan.record is None:
        return backend
    return RecordingBackend(backend, plan.record, max_tokens=plan.max_tokens)
