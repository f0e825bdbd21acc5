"""`its-agent calibrate`: a profile of a model from recorded samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from its_agent.errors import InvalidOption
from its_agent.terminal.bench import make_writable

if TYPE_CHECKING:
    from its_agent.difficulty.profile import Profile


def calibrate(
    pools: Annotated[list[Path], typer.Argument(help="Recorded pools (or .gz), all of a model.")],
    *,
    out: Annotated[Path, typer.Option(help="The profile's file (.json).")],
    model: Annotated[
        str | None, typer.Option(help="Whose samples are meant, where there are several models'.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the cross-validation.")] = 5,
) -> None:
    """Learn how a model's samples behave: what they say of being right, and how far to trust it."""
    from its_agent.backends.pool_file import read_pool
    from its_agent.difficulty.calibrate import calibrate as fitted
    from its_agent.difficulty.graded import graded

    console = Console(stderr=True)
    rows = read_pool(pools).rows
    name = model or _only_model([row.model for row in rows])
    make_writable(out)
    with console.status("reading and grading the samples"):
        problems = graded(rows, model=name)
    with console.status(f"fitting on {len(problems)} problems, {folds} folds"):
        names = [pool.name for pool in pools]
        profile = fitted(problems, model=name, pools=names, folds=folds)
    out.write_text(profile.to_json(), encoding="utf-8")
    console.print(_shown(profile))
    for note in profile.notes:
        console.print(f"note: {note}", highlight=False)
    typer.echo(f"wrote {out}: a profile of {name}", err=True)


def _only_model(models: list[str | None]) -> str:
    names = sorted({name for name in models if name})
    if len(names) != 1:
        told = ", ".join(names) or "none that is named"
        raise InvalidOption(f"the pools hold samples of {told}; say which by --model")
    return names[0]


def _shown(profile: Profile) -> Table:
    assert profile.quality is not None
    quality = profile.quality
    table = Table(title="on problems that it was not fitted on", title_justify="left")
    table.add_column("measure")
    table.add_column("here", justify="right")
    table.add_column("beside", justify="right")
    constant, perfect = quality.brier_of_constant, quality.ece_if_perfect
    table.add_row("Brier score", f"{quality.brier:.3f}", f"{constant:.3f} for a constant")
    table.add_row("ECE", f"{quality.ece:.3f}", f"{perfect:.3f} if it were perfect")
    table.add_row("AUROC", _ranked(quality.auroc), "0.500 by chance")
    table.add_row("AUROC of the next sample", _ranked(quality.next_auroc), "0.500 by chance")
    return table


def _ranked(auroc: float | None) -> str:
    return "–" if auroc is None else f"{auroc:.3f}"
