"""How long steps (fetching, converting, loading) tell how far they are."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of each advance; `done` and `total` share a unit (bytes, steps or seconds)."""

    def __call__(self, what: str, done: int, total: int | None) -> None: ...


def silent(what: str, done: int, total: int | None) -> None:
    """Shows nothing."""
