"""The tables of accuracy and compute, and of why runs stopped and what went wrong in them."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.bench.markdown import percent, percents, table
from its_agent.bench.per_problem import average
from its_agent.bench.table import Cell

_ACCURACY_HEAD = (
    "budget | strategy | right | accuracy | any right | compute, mean | max | share "
    "| raw tokens | seconds"
)
_STOPS_HEAD = (
    "budget | strategy | runs by reason | candidates, mean | confidence, mean | accuracy "
    "| failed | cut off | no answer"
)
_STOPS_NOTE = """\
*Failed* counts runs that ended with an error, *cut off* samples that met their token limit, and *no
answer* samples that ended by themselves and that no answer could be taken from."""


def accuracy_section(cells: Sequence[Cell]) -> str:
    """One row a cell: how often it is right, and what it costs."""
    return table(_ACCURACY_HEAD, "rlrrrrrrrr", map(_accuracy_row, cells))


def _accuracy_row(cell: Cell) -> tuple[str, ...]:
    return (
        f"{cell.budget:,}",
        cell.strategy,
        f"{cell.right} of {len(cell.runs)}",
        f"{percent(cell.accuracy)} ({percents(cell.interval)})",
        str(sum(run.covered for run in cell.runs)),
        f"{cell.mean_compute:,.0f}",
        f"{max(run.spent.compute for run in cell.runs):,}",
        f"{cell.mean_compute / cell.budget:.0%}",
        f"{average(run.raw_tokens for run in cell.runs):,.0f}",
        _seconds(average(run.seconds for run in cell.runs)),
    )


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else f"{value:.3f}"


def stops_section(cells: Sequence[Cell]) -> str:
    """One row a cell: how its runs and their samples ended."""
    return f"{_STOPS_NOTE}\n\n{table(_STOPS_HEAD, 'rllrrrrrr', map(_stops_row, cells))}"


def _stops_row(cell: Cell) -> tuple[str, ...]:
    samples = [sample for run in cell.runs for sample in run.candidates]
    return (
        f"{cell.budget:,}",
        cell.strategy,
        ", ".join(f"{reason} {count}" for reason, count in cell.stops),
        f"{average(len(run.candidates) for run in cell.runs):.1f}",
        percent(average(run.confidence for run in cell.runs)),
        percent(cell.accuracy),
        str(sum(run.error is not None for run in cell.runs)),
        _of(sum(sample.finish == "length" for sample in samples), len(samples)),
        _of(sum(s.finish == "stop" and s.answer is None for s in samples), len(samples)),
    )


def _of(count: int, samples: int) -> str:
    return f"{count:,} of {samples:,}"
