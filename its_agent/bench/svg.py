"""What the pictures of the page have in common: a frame of shares, lines, texts and colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = (
    "#0b6e99",
    "#d1495b",
    "#66a182",
    "#edae49",
    "#8d6a9f",
    "#8c564b",
    "#222222",
    "#17becf",
    "#bcbd22",
    "#e377c2",
    "#7f7f7f",
    "#2ca02c",
    "#9467bd",
    "#ff7f0e",
    "#1f4e9e",
    "#6b4423",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A picture whose height is a share from 0 to 1 and whose width ends at `top`."""

    title: str
    below: str
    """What the width counts."""
    top: float
    ticks: Sequence[str]
    """What is written at equal distances below, from 0 to `top`."""
    width: int = 770
    height: int = 400
    left: int = 60
    right: int = 260
    """Room for the legend: names of 35 letters."""
    upper: int = 20
    lower: int = 50

    def x(self, value: float) -> float:
        """The place of a value on the width."""
        return self.left + (self.width - self.left - self.right) * value / self.top

    def y(self, share: float) -> float:
        """The place of a share on the height."""
        return self.height - self.lower - (self.height - self.upper - self.lower) * share

    def path(self, spots: Iterable[tuple[float, float]]) -> str:
        """Values and shares as the points of a line."""
        return " ".join(f"{self.x(value):.1f},{self.y(share):.1f}" for value, share in spots)

    def drawn(self, parts: Iterable[str]) -> str:
        """The whole picture with these parts in it."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            'font-family="sans-serif" font-size="12" role="img">'
            f"<title>{escape(self.title)}</title>"
        )
        ground = f'<rect width="{self.width}" height="{self.height}" fill="white"/>'
        return "\n".join([head, ground, *self._axes(), *parts, "</svg>"]) + "\n"

    def _axes(self) -> list[str]:
        end = self.width - self.right
        across = [line(self.left, self.y(k / 5), end, self.y(k / 5), "#dddddd") for k in range(6)]
        shares = [
            text(self.left - 8, self.y(k / 5) + 4, f"{20 * k}%", anchor="end") for k in range(6)
        ]
        step = self.top / (len(self.ticks) - 1)
        units = [
            text(self.x(step * place), self.height - self.lower + 18, said)
            for place, said in enumerate(self.ticks)
        ]
        middle = self.x(self.top / 2)
        return [*across, *shares, *units, text(middle, self.height - 10, self.below)]

    def legend(self, place: int, said: str, colour: str) -> list[str]:
        """One line of the legend beside the picture."""
        across, down = self.width - self.right + 20, self.upper + 12 + 20 * place
        return [circle(across, down - 4, 4, colour), text(across + 10, down, said, anchor="start")]


def line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    """A straight line; `more` has further attributes."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>'
    )


def circle(x: float, y: float, radius: float, colour: str, said: str = "") -> str:
    """A filled circle, with what it says when it is pointed at."""
    title = f"<title>{escape(said)}</title>" if said else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}">{title}</circle>'


def text(x: float, y: float, said: str, *, anchor: str = "middle") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
