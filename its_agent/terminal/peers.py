"""`its-agent bench peers`: other projects' methods on the same problems and the same engine."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from its_agent.errors import InvalidOption
from its_agent.terminal.bench import earlier_runs, open_runs
from its_agent.terminal.checks import listed, whole_numbers
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.options import BaseUrl, MaxTokens, Model, Temperature, TopP
from its_agent.terminal.pace import Pace

if TYPE_CHECKING:
    from its_agent.bench.peer_calls import Allotment
    from its_agent.bench.problems import BenchProblem
    from its_agent.bench.run import Job
    from its_agent.bench.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPlan:
    """What the peers are to run, and where their runs go."""

    problems: Sequence[BenchProblem]
    allotment: Allotment
    strategies: Sequence[str]
    interpreters: dict[str, str]
    out: Path
    command: str
    max_tokens: int
    temperature: float
    top_p: float

    def jobs(self, earlier: Sequence[Run]) -> list[list[Job]]:
        """The runs that are not among the earlier ones, problem by problem."""
        from its_agent.bench.run import schedule

        return schedule(
            self.problems,
            strategies=self.strategies,
            budgets=self.allotment.all_budgets,
            done={run.key for run in earlier},
        )


def peers(
    problems: Annotated[Path, typer.Argument(help="JSON lines of id, problem, answer (or .gz).")],
    *,
    out: Annotated[Path, typer.Option(help="The file of runs; those already in it are kept.")],
    its_hub: Annotated[str | None, typer.Option(help="A Python that has its_hub.")] = None,
    optillm: Annotated[str | None, typer.Option(help="A Python that has optillm.")] = None,
    budgets: Annotated[
        str, typer.Option(help="Compute units a solve, with commas: as many calls as they pay for.")
    ] = "",
    calls: Annotated[
        str, typer.Option(help="Numbers of calls, with commas: the points of a curve.")
    ] = "",
    sample_tokens: Annotated[
        int | None,
        typer.Option(help="Mean tokens of a sample on other problems; else taken from --costs."),
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(help="Runs on other problems, which tell what so many calls cost."),
    ] = None,
    methods: Annotated[
        str, typer.Option(help="Names with commas, such as its_hub:best_of_n; all without it.")
    ] = "",
    limit: Annotated[int, typer.Option(help="How many problems, from the first.")] = 30,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="Leave out the problems of this file; may be given several times."),
    ] = None,
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.8,
    top_p: TopP = 0.95,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Run other projects' methods, a problem at a time, and read what they cost off the engine.

    The engine must be alone: its counters are the measure.
    """
    from its_agent.bench.peer_page import peer_section
    from its_agent.bench.problems import read_problems

    interpreters = _given({"its_hub": its_hub, "optillm": optillm})
    chosen = read_problems(problems, limit=limit, exclude=exclude or [])
    words: dict[str, object] = {
        "--limit": limit,
        "--budgets": budgets,
        "--calls": calls,
        "--sample-tokens": sample_tokens,
        "--costs": costs and costs.name,
        "--methods": methods,
        "--max-tokens": max_tokens,
        "--temperature": temperature,
        "--top-p": top_p,
        "--model": model,
        "--out": out.name,
    }
    plan = PeerPlan(
        problems=chosen,
        allotment=_allotment(chosen, budgets, calls, sample_tokens, costs),
        strategies=_strategies(methods, list(interpreters)),
        interpreters=interpreters,
        out=out,
        command=_command(problems, list(interpreters), exclude or [], words),
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
    )
    console = Console(stderr=True)
    earlier = earlier_runs(out)
    jobs = plan.jobs(earlier)
    open_runs(out)
    _announce(console, plan, jobs, earlier)
    if jobs:
        pace = Pace(console, sum(map(len, jobs)))
        with engine(base_url, model, console=console) as place:
            asyncio.run(_run_at(place, plan, jobs, earlier, pace))
    typer.echo(peer_section(earlier_runs(out), out.stem), nl=False)


def _given(interpreters: dict[str, str | None]) -> dict[str, str]:
    given = {name: python for name, python in interpreters.items() if python}
    if not given:
        raise InvalidOption("give a Python that has a peer: --its-hub, --optillm, or both")
    return given


def _strategies(methods: str, given: list[str]) -> list[str]:
    from its_agent.bench.peers import check_peer_strategies, peer_strategies

    if not methods:
        return peer_strategies(given)
    chosen = listed(methods, option="--methods")
    check_peer_strategies(chosen, given)
    return chosen


def _allotment(
    problems: Sequence[BenchProblem],
    budgets: str,
    calls: str,
    sample_tokens: int | None,
    costs: Path | None,
) -> Allotment:
    from its_agent.bench.peer_calls import (
        Allotment,
        measured_costs,
        measured_sample_tokens,
        on_other_problems,
    )
    from its_agent.bench.runs import read_runs

    if sample_tokens is None and costs is None:
        raise InvalidOption(
            "give --sample-tokens, the mean tokens of a sample on other problems, or --costs, a "
            "file of runs that tells it"
        )
    ids = {problem.id for problem in problems}
    others = on_other_problems(read_runs(costs), ids) if costs else []
    return Allotment(
        sample_tokens=measured_sample_tokens(others) if sample_tokens is None else sample_tokens,
        budgets=whole_numbers(budgets, option="--budgets") if budgets else (),
        curve=whole_numbers(calls, option="--calls") if calls else (),
        costs=measured_costs(others),
    )


def _command(
    problems: Path, given: Sequence[str], exclude: Sequence[Path], options: dict[str, object]
) -> str:
    words = ["its-agent", "bench", "peers", problems.name]
    for name in given:
        words += [f"--{name.replace('_', '-')}", "PYTHON"]
    for path in exclude:
        words += ["--exclude", path.name]
    for name, value in options.items():
        words += [name, str(value)] if value not in (None, "") else []
    return shlex.join(words)


def _announce(
    console: Console, plan: PeerPlan, jobs: Sequence[Sequence[Job]], earlier: Sequence[Run]
) -> None:
    console.print(
        f"{sum(map(len, jobs)):,} runs to make, {len(earlier):,} are there", highlight=False
    )
    console.print(
        f"a sample is taken to be {plan.allotment.sample_tokens:,} tokens long", highlight=False
    )
    for job in jobs[0] if jobs else ():
        console.print(
            f"{job.strategy} at {job.budget:,}: {plan.allotment.calls(job)} calls",
            markup=False,
            highlight=False,
        )


async def _run_at(
    place: Engine,
    plan: PeerPlan,
    jobs: Sequence[Sequence[Job]],
    earlier: Sequence[Run],
    pace: Pace,
) -> None:
    from its_agent.bench.peer_run import Setting
    from its_agent.bench.peers import run_peers
    from its_agent.bench.run import check_same_engine
    from its_agent.bench.runs import append_run

    def record(made: Run) -> None:
        append_run(plan.out, made)
        pace.tell(made)

    async with aclosing(place.backend()) as backend:
        fingerprint = (await backend.offer()).fingerprint
    check_same_engine(earlier, fingerprint)
    setting = Setting(
        base_url=place.base_url,
        engine=fingerprint,
        command=plan.command,
        max_tokens=plan.max_tokens,
        temperature=plan.temperature,
        top_p=plan.top_p,
    )
    await run_peers(jobs, plan.allotment.calls, plan.interpreters, setting, on_run=record)
