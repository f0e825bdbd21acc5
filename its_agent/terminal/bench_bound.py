"""`its-agent bench bound`: what any selection could reach at most."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from its_agent.terminal.bench import earlier_runs, make_writable
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.options import BaseUrl, Model

if TYPE_CHECKING:
    from its_agent.bench.bound import Coverage
    from its_agent.bench.problems import BenchProblem


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
