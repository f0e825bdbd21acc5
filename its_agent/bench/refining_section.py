"""The table of drafts, and of what refining made of them."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.bench.markdown import percents, table
from its_agent.bench.stats import Interval
from its_agent.bench.table import Cell
from its_agent.bench.transitions import REFINES, Transitions, transitions

_HEAD = (
    "budget | strategy | drafts right | final answers right | right made wrong "
    "| wrong made right | p"
)
_NOTE = """\
A draft is a run's first solution. Shares have their 95% Wilson intervals; *p* is the exact McNemar
p-value of the final answers against the drafts."""


def refining_section(cells: Sequence[Cell]) -> list[str]:
    """Heading, note and table; nothing where nothing was refined."""
    refined = [(cell, transitions(cell.runs)) for cell in cells if cell.strategy in REFINES]
    rows = [_row(cell, seen) for cell, seen in refined if seen.runs]
    if not rows:
        return []
    return ["### Drafts, and what refining made of them", _NOTE, table(_HEAD, "rlrrrrr", rows)]


def _row(cell: Cell, seen: Transitions) -> tuple[str, ...]:
    return (
        f"{cell.budget:,}",
        cell.strategy,
        f"{seen.drafts_right} of {seen.runs}",
        f"{seen.finals_right} of {seen.runs}",
        _share(seen.spoiled, seen.drafts_right, seen.spoiling),
        _share(seen.mended, seen.drafts_wrong, seen.mending),
        f"{seen.p:.3f}",
    )


def _share(count: int, of: int, interval: Interval) -> str:
    return f"{count} of {of} ({percents(interval)})" if of else "0 of 0"
