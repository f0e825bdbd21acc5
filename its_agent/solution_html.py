"""A solution as a notebook shows it: a few lines of HTML that stand alone, texts escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape

from its_agent.receipt import Receipt, Step
from its_agent.solution import Solution

_LONGEST_TEXT = 4_000
_ANSWERS_SHOWN = 6
_GREY = "opacity:.65"
_CELL = 'style="text-align:left;padding:2px 12px 2px 0"'


def solution_html(solution: Solution) -> str:
    """The answer and why, what was spent, and the text and the steps when they are opened."""
    receipt = solution.receipt
    rows = [
        ("confidence", f"{_bar(solution.confidence)} {solution.confidence:.0%}"),
        ("", escape("; ".join(solution.reasons))),
        ("candidates", _tally(solution)),
        ("spent", _spent(receipt)),
        ("stopped", escape(receipt.stopped_because)),
        *(("note", escape(note)) for note in receipt.notes),
    ]
    answer = "none" if solution.answer is None else solution.answer
    return (
        '<div style="font:14px/1.5 system-ui,sans-serif;max-width:52em">'
        f'<div style="font-size:1.25em;font-weight:600;white-space:pre-wrap">{_cut(answer)}'
        f' <span style="font-size:.65em;{_GREY}">{escape(solution.status)}</span></div>'
        f"<table>{''.join(map(_row, rows))}</table>"
        f"{_opened('text', _pre(solution.text))}{_opened('steps', _steps(receipt.steps))}</div>"
    )


def _row(row: tuple[str, str]) -> str:
    name, value = row
    return f'<tr><td {_CELL}><span style="{_GREY}">{name}</span></td><td {_CELL}>{value}</td></tr>'


def _bar(share: float) -> str:
    full = max(0.0, min(1.0, share)) * 100
    return (
        '<span style="display:inline-block;width:9em;height:.6em;border-radius:.3em;'
        "background:linear-gradient(90deg,#3c8dbc "
        f'{full:.1f}%,rgba(128,128,128,.25) {full:.1f}%)"></span>'
    )


def _spent(receipt: Receipt) -> str:
    spent, limit = receipt.spent.compute, receipt.budget.compute
    if limit is None:
        return f"{spent:,} units, {receipt.elapsed_seconds:.1f} s"
    return f"{_bar(spent / limit)} {spent:,} of {limit:,} units, {receipt.elapsed_seconds:.1f} s"


def _tally(solution: Solution) -> str:
    counted = Counter(c.answer for c in solution.candidates).most_common()
    said = [
        f"{'no answer' if answer is None else escape(answer[:40])} &times;{times}"
        for answer, times in counted[:_ANSWERS_SHOWN]
    ]
    more = len(counted) - len(said)
    return ", ".join([*said, *([f"{more} more"] if more > 0 else [])]) or "none"


def _steps(steps: Iterable[Step]) -> str:
    rows = (
        "".join(
            f"<td {_CELL}>{escape(cell)}</td>"
            for cell in (
                f"{step.path}/{step.arm}",
                step.bought,
                f"{step.spent.compute:,}",
                step.outcome,
                step.why,
            )
        )
        for step in steps
    )
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _opened(name: str, content: str) -> str:
    return f'<details><summary style="{_GREY}">{name}</summary>{content}</details>'


def _pre(text: str) -> str:
    return f'<pre style="white-space:pre-wrap">{_cut(text)}</pre>'


def _cut(text: str) -> str:
    return escape(text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…")
