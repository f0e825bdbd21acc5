"""`its-agent trace`: a recorded solve, or a benchmark, as a page to look at."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from its_agent.errors import InvalidInput, InvalidOption


def trace(
    file: Annotated[
        Path | None,
        typer.Argument(help="A trace (solve --trace FILE), or the runs of a benchmark."),
    ] = None,
    *,
    last: Annotated[bool, typer.Option("--last", help="The last `its-agent solve`.")] = False,
    run: Annotated[
        str | None, typer.Option(help="Which solve of the trace; the last one without it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the page to this file, and do not open it.")
    ] = None,
    show: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Whether a browser opens the page.")
    ] = None,
) -> None:
    """Open the page of a solve: its way, candidates, search trees, votes, costs, prompts, texts.

    It is one HTML file that needs no network.
    """
    from its_agent.trace.kept import folder, last_trace

    if last == (file is not None):
        raise InvalidOption("give a trace file, or --last for the last solve; one of them")
    source = file or last_trace()
    page = out or folder() / f"{source.stem}.html"
    content = _page(source, run)
    try:
        page.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"the page {page} cannot be written: {error}") from error
    typer.echo(page)
    if show or (show is None and out is None):
        _open(page)


def _page(source: Path, run: str | None) -> str:
    from its_agent.trace.file import is_trace, read_trace
    from its_agent.trace.page import solve_page

    if is_trace(source):
        return solve_page(read_trace(source), run)
    from its_agent.bench.runs import read_runs
    from its_agent.trace.bench_page import bench_page

    return bench_page(read_runs(source), name=source.stem)


def _open(page: Path) -> None:
    if not webbrowser.open(page.resolve().as_uri()):
        typer.echo("no browser was found; open that file in one", err=True)
