"""A solution as rich prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from its_agent.receipt import Receipt, usage_cells
from its_agent.solution import Candidate, Solution, Status

_STYLES: dict[Status, str] = {
    "verified": "bold green",
    "agreed": "green",
    "best_effort": "yellow",
    "abstained": "red",
}
_ANSWERS_SHOWN = 6


def solution_table(solution: Solution) -> RenderableType:
    """The answer and why, the candidates by their answers, and the receipt by purpose and step."""
    return Group(
        _verdict(solution),
        Text(""),
        _purposes(solution.receipt),
        Text(""),
        _steps(solution.receipt),
    )


def _verdict(solution: Solution) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    answer = Text("none" if solution.answer is None else solution.answer, style="bold")
    table.add_row("answer", answer)
    said = f"{solution.confidence:.0%} ({solution.status})"
    table.add_row("confidence", Text(said, style=_STYLES[solution.status]))
    table.add_row("", Text("; ".join(solution.reasons)))
    table.add_row("candidates", Text(_tally(solution.candidates)))
    table.add_row("spent", _spent(solution.receipt))
    table.add_row("stopped", Text(solution.receipt.stopped_because))
    for note in solution.receipt.notes:
        table.add_row("note", Text(note))
    return table


def _tally(candidates: Iterable[Candidate]) -> str:
    counted = Counter(c.answer for c in candidates).most_common()
    said = [
        f"{'no answer' if answer is None else ' '.join(answer.split())[:40]} ×{times}"
        for answer, times in counted[:_ANSWERS_SHOWN]
    ]
    more = len(counted) - len(said)
    return ", ".join([*said, *([f"{more} more"] if more > 0 else [])]) or "none"


def _spent(receipt: Receipt) -> RenderableType:
    spent, limit = receipt.spent.compute, receipt.budget.compute
    said = Text(f"{spent:,} units, {receipt.elapsed_seconds:.1f} s")
    if limit is None:
        return said
    row = Table.grid(padding=(0, 2))
    row.add_row(
        ProgressBar(total=limit, completed=spent, width=24, complete_style="cyan"),
        Text(f"{spent:,} of {limit:,} units, {receipt.elapsed_seconds:.1f} s"),
    )
    return row


def _purposes(receipt: Receipt) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("purpose")
    for name in ("requests", "read", "cached", "generated", "compute"):
        table.add_column(name, justify="right")
    for purpose, usage in receipt.by_purpose.items():
        table.add_row(Text(purpose), *usage_cells(usage))
    table.add_row("total", *usage_cells(receipt.spent), style="bold")
    return table


def _steps(receipt: Receipt) -> Table:
    table = Table("step", "bought", box=None, pad_edge=False, header_style="dim")
    table.add_column("compute", justify="right")
    table.add_column("outcome")
    table.add_column("why")
    for step in receipt.steps:
        texts = (f"{step.path}/{step.arm}", step.bought, f"{step.spent.compute:,}", step.outcome)
        table.add_row(*map(Text, (*texts, step.why)))
    return table
