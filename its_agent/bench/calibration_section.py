"""How far confidences can be believed, as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.bench.calibration import claims
from its_agent.bench.markdown import percent, table
from its_agent.bench.per_problem import average
from its_agent.bench.table import Cell
from its_agent.difficulty.claims import (
    SIMULATIONS,
    brier,
    by_chance,
    calibration_error,
    constant_brier,
)

_HEAD = (
    "budget | strategy | answers | confidence, mean | accuracy | Brier | of a constant "
    "| calibration error | by chance, mean | by chance, 95%"
)
_NOTE = f"""\
Over the runs with an answer. The Brier score is the mean squared distance of confidence and
outcome; *of a constant* is what saying the accuracy every time would score. The calibration error
is the mean distance of confidence and accuracy over ten bins; *by chance* is what perfectly
calibrated confidences show at this number of problems, in {SIMULATIONS:,} simulations that draw the
outcomes from the confidences: their mean, and what 95% of them stay below."""


def calibration_section(cells: Sequence[Cell], picture: str | None) -> list[str]:
    """Heading, note, table and picture; nothing where no run has an answer."""
    rows = [_row(cell) for cell in cells if any(run.answer is not None for run in cell.runs)]
    if not rows:
        return []
    shown = [f"![Accuracy against confidence]({picture})"] if picture else []
    return ["### Confidence", _NOTE, table(_HEAD, "rlrrrrrrrr", rows), *shown]


def _row(cell: Cell) -> tuple[str, ...]:
    made = claims(cell.runs)
    chance = by_chance(made)
    return (
        f"{cell.budget:,}",
        cell.strategy,
        f"{len(made):,}",
        percent(average(one.confidence for one in made)),
        percent(average(one.right for one in made)),
        f"{brier(made):.3f}",
        f"{constant_brier(made):.3f}",
        f"{calibration_error(made):.3f}",
        f"{chance.mean:.3f}",
        f"{chance.most:.3f}",
    )
