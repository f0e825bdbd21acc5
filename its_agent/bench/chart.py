"""The picture of a benchmark as an SVG: accuracy against mean compute, one line a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from its_agent.bench.table import Cell

_WIDTH, _HEIGHT = 680, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 170, 20, 50
_COLOURS = ("#0b6e99", "#d1495b", "#66a182", "#edae49", "#8d6a9f", "#555555")


def chart(table: Sequence[Cell]) -> str:
    """Draw the cells, with their Wilson intervals as whiskers."""
    top = max(cell.mean_compute for cell in table) * 1.05 or 1.0
    strategies = list(dict.fromkeys(cell.strategy for cell in table))
    drawn = [
        line
        for place, strategy in enumerate(strategies)
        for line in _series([c for c in table if c.strategy == strategy], place, top)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img">'
        "<title>Accuracy against mean compute</title>"
    )
    ground = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return "\n".join([head, ground, *_axes(top), *drawn, "</svg>"]) + "\n"


def _x(compute: float, top: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * compute / top


def _y(accuracy: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * accuracy


def _axes(top: float) -> list[str]:
    across = [_gridline(_LEFT, _y(k / 5), _WIDTH - _RIGHT, _y(k / 5)) for k in range(6)]
    shares = [_text(_LEFT - 8, _y(k / 5) + 4, f"{20 * k}%", anchor="end") for k in range(6)]
    units = [
        _text(_x(top * k / 4, top), _HEIGHT - _BOTTOM + 18, f"{top * k / 4:,.0f}") for k in range(5)
    ]
    middle = _x(top / 2, top)
    return [*across, *shares, *units, _text(middle, _HEIGHT - 10, "mean compute units a problem")]


def _series(line: Sequence[Cell], place: int, top: float) -> list[str]:
    colour = _COLOURS[place % len(_COLOURS)]
    spots = [(_x(cell.mean_compute, top), cell) for cell in line]
    path = " ".join(f"{x:.1f},{_y(cell.accuracy):.1f}" for x, cell in spots)
    marks = [
        f'<circle cx="{x:.1f}" cy="{_y(cell.accuracy):.1f}" r="4" fill="{colour}">'
        f"<title>{escape(cell.strategy)} at {cell.budget:,}: {cell.accuracy:.1%}</title></circle>"
        for x, cell in spots
    ]
    whiskers = [
        f'<line x1="{x:.1f}" y1="{_y(cell.interval.low):.1f}" x2="{x:.1f}" '
        f'y2="{_y(cell.interval.high):.1f}" stroke="{colour}" stroke-opacity="0.4"/>'
        for x, cell in spots
    ]
    legend_y = _TOP + 12 + 20 * place
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *whiskers,
        *marks,
        f'<circle cx="{_WIDTH - _RIGHT + 20}" cy="{legend_y - 4}" r="4" fill="{colour}"/>',
        _text(_WIDTH - _RIGHT + 30, legend_y, line[0].strategy, anchor="start"),
    ]


def _gridline(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, said: str, *, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
