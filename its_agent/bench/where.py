"""Where the tokens went: how much of a strategy's compute problems of each difficulty got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from its_agent.bench.markdown import percent, table
from its_agent.bench.per_problem import average
from its_agent.bench.runs import Run
from its_agent.bench.table import Cell

GROUPS = ("none right", "up to 1/4", "up to 3/4", "more")
"""Problems by the share of right samples, the hardest first."""
_NOTE = """\
Problems are grouped by the share of right samples among all that were ever drawn for them here, cut
off ones included. Each column has the mean compute of its problems, their share of all of it, and
how often their runs are right."""


def difficulties(runs: Iterable[Run]) -> Mapping[str, str]:
    """The group of each problem; problems without a sample that ran to its end have none."""
    drawn, right = Counter[str](), Counter[str]()
    for run in runs:
        whole = [sample for sample in run.candidates if sample.finish != "aborted"]
        drawn[run.id] += len(whole)
        right[run.id] += sum(map(run.holds_right, whole))
    return {name: _group(right[name], count) for name, count in drawn.items() if count}


def _group(right: int, drawn: int) -> str:
    if right == 0:
        return GROUPS[0]
    return GROUPS[1] if 4 * right <= drawn else GROUPS[2] if 4 * right <= 3 * drawn else GROUPS[3]


def where_section(cells: Sequence[Cell]) -> list[str]:
    """Heading, note and table; nothing where the runs hold no samples."""
    group_of = difficulties(run for cell in cells for run in cell.runs)
    if not group_of:
        return []
    sizes = Counter(group_of.values())
    columns = " | ".join(f"{name} ({sizes[name]})" for name in GROUPS)
    rows = [_row(cell, group_of) for cell in cells]
    return [
        "### Where the tokens went",
        _NOTE,
        table(f"budget | strategy | {columns}", "rlrrrr", rows),
    ]


def _row(cell: Cell, group_of: Mapping[str, str]) -> tuple[str, ...]:
    groups = [[run for run in cell.runs if group_of.get(run.id) == name] for name in GROUPS]
    total = sum(run.spent.compute for runs in groups for run in runs)
    return (f"{cell.budget:,}", cell.strategy, *(_part(runs, total) for runs in groups))


def _part(runs: Sequence[Run], total: int) -> str:
    if not runs or not total:
        return "–"
    spent = sum(run.spent.compute for run in runs)
    right = percent(average(run.correct for run in runs))
    return f"{spent / len(runs):,.0f} ({spent / total:.0%}), {right} right"
