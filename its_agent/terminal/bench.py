"""`its-agent bench`: the group of its commands, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from its_agent.errors import InvalidInput
from its_agent.terminal.by_default import by_default
from its_agent.terminal.pace import Pace

if TYPE_CHECKING:
    from its_agent.bench.runs import Run


bench_app = typer.Typer(
    cls=by_default("run"),
    no_args_is_help=True,
    help="Run strategies on problems (bench PROBLEMS.jsonl …), and report on the runs.",
)


def earlier_runs(out: Path) -> list[Run]:
    """The runs that are in a file already; none where there is no file."""
    from its_agent.bench.runs import read_runs

    return read_runs(out) if out.exists() else []


def open_runs(out: Path) -> None:
    """Make sure that the file can be written, and ends with a whole line."""
    from its_agent.bench.runs import drop_broken_end

    make_writable(out)
    drop_broken_end(out)


def keeping(out: Path, pace: Pace) -> Callable[[Run], None]:
    """What keeps each run in the file as it ends, and tells of it."""
    from its_agent.bench.runs import append_run

    def keep(made: Run) -> None:
        append_run(out, made)
        pace.tell(made)

    return keep


def make_writable(out: Path) -> None:
    """Make the file and its folder. Raises InvalidInput where that cannot be done."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch()
    except OSError as error:
        raise InvalidInput(f"the file {out} cannot be written: {error}") from error
