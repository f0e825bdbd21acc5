"""Tables and numbers as the page writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from its_agent.bench.stats import Interval

NOT_REACHED = "not reached"


def table(head: str, sides: str, rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns stand left ("l") or right ("r")."""
    rule = "|".join("---:" if side == "r" else "---" for side in sides)
    lines = [f"| {head} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def percent(share: float) -> str:
    """A share, such as 41.7%."""
    return f"{100 * share:.1f}%"


def points(difference: float) -> str:
    """A difference of shares in percentage points with its sign."""
    return f"{100 * difference:+.1f}"


def percents(interval: Interval) -> str:
    """An interval of shares."""
    return f"{percent(interval.low)} to {percent(interval.high)}"
