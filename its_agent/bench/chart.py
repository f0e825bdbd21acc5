"""The picture of a benchmark as an SVG: accuracy against mean compute, one line a strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from its_agent.bench.curve import Point
from its_agent.bench.svg import COLOURS, Frame, circle, line
from its_agent.bench.table import Cell

TICKS = 4
"""Parts of the width."""
_STEPS = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_DASHED = ' fill="none" stroke="#555555" stroke-width="1.5" stroke-dasharray="6 4"'


def chart(table: Sequence[Cell], *, bound: Sequence[Point] = (), bands: bool = False) -> str:
    """Draw the cells, with their 95% intervals as whiskers or, with `bands`, as a band a strategy.

    `bound` has the points of pass@k by rising cost, drawn as a dashed line as far as the cells go.
    """
    top = TICKS * _rounded(max(cell.mean_compute for cell in table) * 1.02 / TICKS or 1.0)
    frame = Frame(
        title="Accuracy against mean compute",
        below="mean compute units a problem",
        top=top,
        ticks=[f"{top * k / TICKS:,.0f}" for k in range(TICKS + 1)],
    )
    strategies = list(dict.fromkeys(cell.strategy for cell in table))
    drawn = [
        part
        for place, strategy in enumerate(strategies)
        for part in _series([c for c in table if c.strategy == strategy], place, frame, bands)
    ]
    return frame.drawn([*drawn, *_bound(bound, frame, len(strategies))])


def _rounded(step: float) -> float:
    """The next number of at least this size that is easily read."""
    unit = 10.0 ** math.floor(math.log10(step))
    return next(unit * times for times in _STEPS if unit * times >= step)


def _series(cells: Sequence[Cell], place: int, frame: Frame, bands: bool) -> list[str]:
    colour = COLOURS[place % len(COLOURS)]
    as_band = bands and len(cells) > 1
    path = frame.path((cell.mean_compute, cell.accuracy) for cell in cells)
    marks = [
        circle(
            frame.x(cell.mean_compute),
            frame.y(cell.accuracy),
            4,
            colour,
            f"{cell.strategy} at {cell.budget:,}: {cell.accuracy:.1%}",
        )
        for cell in cells
    ]
    return [
        *([_band(cells, frame, colour)] if as_band else _whiskers(cells, frame, colour)),
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *marks,
        *frame.legend(place, cells[0].strategy, colour),
    ]


def _whiskers(cells: Sequence[Cell], frame: Frame, colour: str) -> list[str]:
    spots = [(frame.x(cell.mean_compute), cell.interval) for cell in cells]
    return [
        line(x, frame.y(seen.low), x, frame.y(seen.high), colour, ' stroke-opacity="0.4"')
        for x, seen in spots
    ]


def _band(cells: Sequence[Cell], frame: Frame, colour: str) -> str:
    rising = sorted(cells, key=lambda cell: cell.mean_compute)
    spots = [(cell.mean_compute, cell.interval) for cell in rising]
    lower = [(compute, interval.low) for compute, interval in spots]
    upper = [(compute, interval.high) for compute, interval in reversed(spots)]
    return f'<polygon points="{frame.path([*lower, *upper])}" fill="{colour}" fill-opacity="0.12"/>'


def _bound(bound: Sequence[Point], frame: Frame, place: int) -> list[str]:
    shown = [(p.compute, p.accuracy) for p in bound if p.compute <= frame.top]
    shown += _crossing(bound, frame.top)
    if not shown:
        return []
    return [
        f'<polyline points="{frame.path(shown)}"{_DASHED}/>',
        *frame.legend(place, "pass@k, the bound", "#555555"),
    ]


def _crossing(bound: Sequence[Point], top: float) -> list[tuple[float, float]]:
    """Where the bound leaves the picture."""
    for before, after in pairwise(bound):
        if before.compute <= top < after.compute:
            share = (top - before.compute) / (after.compute - before.compute)
            return [(top, before.accuracy + share * (after.accuracy - before.accuracy))]
    return []
