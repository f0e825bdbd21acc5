"""`its-agent bench report`: the page of results, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from its_agent.errors import InvalidInput, InvalidOption
from its_agent.terminal.bench import make_writable
from its_agent.terminal.checks import listed

if TYPE_CHECKING:
    from its_agent.bench.envelope_section import Rivals
    from its_agent.bench.pool_bounds import PoolProblem
    from its_agent.bench.runs import Run


def report(
    runs: Annotated[list[Path], typer.Argument(help="Files of runs, a section each.")],
    out: Annotated[
        Path | None, typer.Option(help="The page to write, with charts (.svg) beside it.")
    ] = None,
    section: Annotated[
        list[Path] | None, typer.Option(help="A section of `bench speed` or `bench early-stop`.")
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            help="The strategy to hold against the envelope of --baselines; given again, another "
            "one beside it."
        ),
    ] = None,
    baselines: Annotated[
        list[str] | None,
        typer.Option(
            help="Strategies with commas, whose best counts at each cost, where a file has runs of "
            "them; given again, another such envelope."
        ),
    ] = None,
    pool: Annotated[
        Path | None, typer.Option(help="The pool that was replayed: what its samples allow.")
    ] = None,
) -> None:
    """Make the page of results as Markdown; without --out it is printed."""
    from its_agent.bench.report import Beside
    from its_agent.bench.report import report as page
    from its_agent.bench.runs import read_runs

    rivals = _rivals(subject, baselines)
    made = {path.name.removesuffix(".gz").removesuffix(".jsonl"): read_runs(path) for path in runs}
    samples = _graded(pool, made) if pool else []
    if out is None:
        typer.echo(page(made, Beside(rivals=rivals, pool=samples)), nl=False)
        return
    make_writable(out)
    pictures = {
        file: drawn
        for name, listed_runs in made.items()
        for file, drawn in _pictures(name, listed_runs, samples, rivals).items()
    }
    beside = Beside(
        charts={name: f"{name}.svg" for name in made},
        diagrams={name: _diagram(name) for name in made if _diagram(name) in pictures},
        rivals=rivals,
        pool=samples,
    )
    text = page(made, beside)
    for further in section or ():
        text += f"\n{_section(further)}"
    out.write_text(text, encoding="utf-8")
    for file, drawn in pictures.items():
        out.with_name(file).write_text(drawn, encoding="utf-8")
    typer.echo(f"wrote {out} and {len(pictures)} charts beside it", err=True)


def _rivals(subjects: Sequence[str] | None, baselines: Sequence[str] | None) -> list[Rivals]:
    from its_agent.bench.envelope_section import Rivals

    if not subjects and not baselines:
        return []
    if not subjects or not baselines:
        raise InvalidOption("--subject and --baselines go together: who is held against whom")
    return [
        Rivals(subject=subject, baselines=tuple(listed(one, option="--baselines")))
        for subject in subjects
        for one in baselines
    ]


def _graded(pool: Path, made: Mapping[str, Sequence[Run]]) -> list[PoolProblem]:
    from its_agent.bench.pool_samples import graded_pool

    return graded_pool(pool, {run.id for runs in made.values() for run in runs})


def _pictures(
    name: str, runs: Sequence[Run], samples: Sequence[PoolProblem], rivals: Sequence[Rivals]
) -> dict[str, str]:
    """The pictures of one benchmark by their file names."""
    from its_agent.bench.calibration import claims
    from its_agent.bench.chart import chart
    from its_agent.bench.envelope_section import subject_of
    from its_agent.bench.pool_section import bound_points
    from its_agent.bench.reliability_chart import reliability_chart
    from its_agent.bench.table import cells

    table, ids = cells(runs), {run.id for run in runs}
    bound = bound_points([one for one in samples if one.id in ids])
    subject = subject_of(rivals)
    series = {
        f"{subject} at {cell.budget:,}": claims(cell.runs)
        for cell in table
        if cell.strategy == subject
    }
    several = any(cell.orders > 1 for cell in table)
    drawn = {f"{name}.svg": chart(table, bound=bound, bands=several)}
    if any(series.values()):
        drawn[_diagram(name)] = reliability_chart(series)
    return drawn


def _diagram(name: str) -> str:
    return f"{name}_confidence.svg"


def _section(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the section {path} cannot be read: {error}") from error
