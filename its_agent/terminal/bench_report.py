"""`its-agent bench report`: the page of results, and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from its_agent.errors import InvalidInput
from its_agent.terminal.bench import make_writable


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
