"""The reliability diagram as an SVG: how often answers of each confidence are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from its_agent.bench.svg import COLOURS, Frame, circle, line
from its_agent.difficulty.claims import Claim, bins

_LEAST, _LARGEST = 3.0, 12.0
"""Radius of a bin with hardly a claim, and what a bin with all of them adds to it."""


def reliability_chart(series: Mapping[str, Sequence[Claim]]) -> str:
    """Draw each series by its name, a circle a bin; the more claims a bin has, the larger.

    On the dashed diagonal confidence and accuracy are equal.
    """
    frame = Frame(
        title="Accuracy against confidence",
        below="confidence",
        top=1.0,
        ticks=[f"{20 * k}%" for k in range(6)],
    )
    diagonal = line(
        frame.x(0), frame.y(0), frame.x(1), frame.y(1), "#555555", ' stroke-dasharray="6 4"'
    )
    told = [(name, made) for name, made in series.items() if made]
    drawn = [
        part
        for place, (name, made) in enumerate(told)
        for part in _series(name, made, place, frame)
    ]
    return frame.drawn([diagonal, *drawn])


def _series(name: str, made: Sequence[Claim], place: int, frame: Frame) -> list[str]:
    colour, groups = COLOURS[place % len(COLOURS)], bins(made)
    path = frame.path((group.confidence, group.accuracy) for group in groups)
    marks = [
        circle(
            frame.x(group.confidence),
            frame.y(group.accuracy),
            round(_LEAST + _LARGEST * sqrt(group.claims / len(made)), 1),
            colour,
            f"{name}: {group.claims} answers at {group.confidence:.0%}, {group.accuracy:.0%} right",
        )
        for group in groups
    ]
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *marks,
        *frame.legend(place, name, colour),
    ]
