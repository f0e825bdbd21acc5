"""`its-agent bench`: strategies against each other on a file of problems, and the report."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from its_agent.errors import InvalidInput, InvalidOption
from its_agent.terminal.checks import check_strategies, listed, whole_numbers
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.options import BaseUrl, MaxTokens, Model, Temperature, TopP
from its_agent.terminal.pace import Pace

if TYPE_CHECKING:
    from its_agent.backends.protocol import Backend
    from its_agent.bench.bound import Coverage
    from its_agent.bench.problems import BenchProblem
    from its_agent.bench.run import Job
    from its_agent.bench.runs import Run


class _RunByDefault(TyperGroup):
    """`bench PROBLEMS …` is `bench run PROBLEMS …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and args[0] in (*self.commands, "--help")
        return super().parse_args(ctx, args if named or not args else ["run", *args])


bench_app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Run strategies on problems (bench PROBLEMS.jsonl …), and report on the runs.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a benchmark is to run, and where its runs go."""

    problems: Path
    exclude: Sequence[Path]
    limit: int
    budgets: Sequence[int]
    strategies: Sequence[str]
    concurrency: int
    max_tokens: int
    temperature: float
    top_p: float
    model: str | None
    out: Path
    record: Path | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InvalidOption(f"--concurrency must be 1 or more, got {self.concurrency}")
        check_strategies(name.partition(":")[0] for name in self.strategies)

    @property
    def command(self) -> str:
        """The command line that makes these runs, files by their names."""
        options = {
            "--limit": self.limit,
            "--budgets": ",".join(map(str, self.budgets)),
            "--strategies": ",".join(self.strategies),
            "--concurrency": self.concurrency,
            "--max-tokens": self.max_tokens,
            "--temperature": self.temperature,
            "--top-p": self.top_p,
            "--model": self.model,
            "--record": self.record and self.record.name,
            "--out": self.out.name,
        }
        given = [("--exclude", path.name) for path in self.exclude]
        given += [(name, str(value)) for name, value in options.items() if value is not None]
        words = [
            "its-agent",
            "bench",
            self.problems.name,
            *(word for pair in given for word in pair),
        ]
        return shlex.join(words)

    def jobs(self, earlier: Sequence[Run]) -> list[list[Job]]:
        """The runs that are not among the earlier ones, problem by problem."""
        from its_agent.bench.problems import read_problems
        from its_agent.bench.run import schedule

        return schedule(
            read_problems(self.problems, limit=self.limit, exclude=self.exclude),
            strategies=self.strategies,
            budgets=self.budgets,
            done={run.key for run in earlier},
        )


@bench_app.command()
def run(
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
        typer.Option(help="Names with commas; a search also by its step score: beam:p_true."),
    ] = "adaptive,single_pass,self_consistency",
    concurrency: Annotated[int, typer.Option(help="Problems worked on at once.")] = 4,
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.8,
    top_p: TopP = 0.95,
    record: Annotated[
        Path | None,
        typer.Option(help="Keep samples in this file: all strategies get the same ones."),
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Solve problems live with each strategy at each budget, one JSON line a run."""
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
    )
    earlier = earlier_runs(out)
    jobs = plan.jobs(earlier)
    open_runs(out)
    total = sum(map(len, jobs))
    console = Console(stderr=True)
    console.print(f"{total:,} runs to make, {len(earlier):,} are there", highlight=False)
    if total:
        ceiling = sum(job.budget for listed_jobs in jobs for job in listed_jobs)
        console.print(f"at most {ceiling:,} compute units (tokens) in all", highlight=False)
        pace = Pace(console, total)
        with engine(base_url, model, console=console) as place:
            asyncio.run(bench_at(place, plan, jobs, earlier, pace))


def earlier_runs(out: Path) -> list[Run]:
    """The runs that are in the file, if there is one."""
    from its_agent.bench.runs import read_runs

    return read_runs(out) if out.exists() else []


def open_runs(out: Path) -> None:
    """Make sure that the file can be written, and ends with a whole line."""
    from its_agent.bench.runs import drop_broken_end

    make_writable(out)
    drop_broken_end(out)


def make_writable(out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch()
    except OSError as error:
        raise InvalidInput(f"the file {out} cannot be written: {error}") from error


async def bench_at(
    place: Engine, plan: Plan, jobs: Sequence[Sequence[Job]], earlier: Sequence[Run], pace: Pace
) -> None:
    """Make the runs with the engine at this place, and record each as it ends."""
    from its_agent.bench.run import check_same_engine, run_jobs
    from its_agent.bench.runs import append_run

    def record(made: Run) -> None:
        append_run(plan.out, made)
        pace.tell(made)

    async with aclosing(recorded(place.backend(), plan)) as backend:
        check_same_engine(earlier, (await backend.offer()).fingerprint)
        await run_jobs(
            jobs,
            backend,
            concurrency=plan.concurrency,
            command=plan.command,
            on_run=record,
            max_tokens=plan.max_tokens,
            temperature=plan.temperature,
            top_p=plan.top_p,
        )


@bench_app.command()
def bound(
    problems: Annotated[Path, typer.Argument(help="JSON lines of id, problem, answer (or .gz).")],
    *,
    record: Annotated[Path, typer.Option(help="The file that samples are kept in.")],
    out: Annotated[Path, typer.Option(help="The Markdown file that the section goes to.")],
    samples: Annotated[int, typer.Option(min=1, help="Warm samples a problem.")] = 16,
    runs: Annotated[
        Path | None, typer.Option(help="Runs on the same problems, to hold against the bound.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many problems, from the first.")] = 30,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="Leave out the problems of this file; may be given several times."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Problems worked on at once.")] = 4,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Take many samples of each problem: pass@k, which no selection can pass."""
    from its_agent.bench.bound import coverage_section
    from its_agent.bench.problems import read_problems

    chosen = read_problems(problems, limit=limit, exclude=exclude or [])
    make_writable(out)
    words = ["its-agent", "bench", "bound", problems.name, "--limit", str(limit)]
    words += [word for path in exclude or () for word in ("--exclude", path.name)]
    words += ["--samples", str(samples), "--record", record.name, "--out", out.name]
    words += ["--runs", runs.name] if runs else []
    console = Console(stderr=True)
    with engine(base_url, model, console=console) as place:
        seen = asyncio.run(_coverage(place, chosen, record, samples, concurrency, console))
    section = coverage_section(
        seen, record.stem, shlex.join(words), earlier_runs(runs) if runs else ()
    )
    out.write_text(section, encoding="utf-8")
    typer.echo(section, nl=False)


async def _coverage(
    place: Engine,
    problems: Sequence[BenchProblem],
    record: Path,
    samples: int,
    concurrency: int,
    console: Console,
) -> list[Coverage]:
    from its_agent.backends.recording import RecordingBackend
    from its_agent.bench.bound import measure_coverage

    def tell(one: Coverage) -> None:
        console.print(f"{one.id}: {one.right} of {one.samples} right", highlight=False)

    async with aclosing(RecordingBackend(place.backend(), record)) as backend:
        return await measure_coverage(
            problems, backend, samples=samples, concurrency=concurrency, on_problem=tell
        )


def recorded(backend: Backend, plan: Plan) -> Backend:
    """The backend, with the record that the plan asks for."""
    from its_agent.backends.recording import RecordingBackend

    if plan.record is None:
        return backend
    return RecordingBackend(backend, plan.record, max_tokens=plan.max_tokens)


@bench_app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Files of runs, a section each.")],
    out: Annotated[
        Path | None, typer.Option(help="The page to write, with charts (.svg) beside it.")
    ] = None,
    section: Annotated[
        list[Path] | None, typer.Option(help="A section of `bench speed` or `bench early-stop`.")
    ] = None,
) -> None:
    """Make the page of results as Markdown; without --out it is printed."""
    from its_agent.bench.chart import chart
    from its_agent.bench.report import report as page
    from its_agent.bench.runs import read_runs
    from its_agent.bench.table import cells

    made = {path.stem: read_runs(path) for path in runs}
    if out is None:
        typer.echo(page(made), nl=False)
        return
    make_writable(out)
    text = page(made, charts={name: f"{name}.svg" for name in made})
    for further in section or ():
        text += f"\n{_section(further)}"
    out.write_text(text, encoding="utf-8")
    for name, listed_runs in made.items():
        out.with_name(f"{name}.svg").write_text(chart(cells(listed_runs)), encoding="utf-8")
    typer.echo(f"wrote {out} and {len(made)} charts beside it", err=True)


def _section(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the section {path} cannot be read: {error}") from error
