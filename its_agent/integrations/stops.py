"""Stop strings: the answer ends before the first of them."""

from __future__ import annotations

from collections.abc import Sequence


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop string."""
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def shown(text: str, stops: Sequence[str]) -> str:
    """What may be shown of a text that goes on: nothing that a stop string may begin with."""
    whole = cut(text, stops)
    if len(whole) < len(text):
        return whole
    begun = (size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size]))
    return text[: len(text) - max(begun, default=0)]
