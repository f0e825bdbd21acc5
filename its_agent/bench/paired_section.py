"""The subject against each other strategy at the same budget, as a table and in words."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.bench.markdown import points, table
from its_agent.bench.table import Comparison

_HEAD = (
    "budget | against | problems | difference | 95% interval "
    "| only {subject} right | only the other right | p"
)


def paired_section(compared: Sequence[Comparison]) -> list[str]:
    """Heading, table and sentences; nothing where nothing is compared."""
    if not compared:
        return []
    subject = compared[0].subject
    said = "\n".join(f"- {_sentence(one)}" for one in compared)
    return [
        f"### {subject.capitalize()} against each baseline",
        table(_HEAD.format(subject=subject), "rlrrrrrr", map(_row, compared)),
        said,
    ]


def _row(one: Comparison) -> tuple[str, ...]:
    return (
        f"{one.budget:,}",
        one.baseline,
        str(one.problems),
        points(one.difference),
        f"{points(one.interval.low)} to {points(one.interval.high)}",
        str(one.only_subject),
        str(one.only_baseline),
        "–" if one.p is None else f"{one.p:.3f}",
    )


def _sentence(one: Comparison) -> str:
    if one.difference == 0:
        stand = f"{one.subject} and {one.baseline} are level"
    else:
        side = "ahead of" if one.difference > 0 else "behind"
        stand = f"{one.subject} is {abs(100 * one.difference):.1f} points {side} {one.baseline}"
    if 0 in one.interval:
        return (
            f"At {one.budget:,}, {stand}, and the interval holds 0: "
            f"{one.problems} problems do not tell the two apart."
        )
    return f"At {one.budget:,}, {stand}, and the interval does not hold 0."
