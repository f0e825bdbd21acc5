"""Progress of long steps: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from its_agent.backends import progress as backends_progress

LINE_SECONDS = 15.0


@contextmanager
def shown_progress(console: Console) -> Generator[backends_progress.Progress]:
    """Something that shows each advance on `console` until the block ends."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar for each thing that is done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._current: tuple[str, TaskID] | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if self._current is None or self._current[0] != what:
            self._finish()
            self._current = (what, self._bars.add_task(what, total=total))
        self._bars.update(self._current[1], completed=done, total=total)

    def _finish(self) -> None:
        if self._current is not None:
            self._bars.update(self._current[1], total=1, completed=1)
            self._bars.stop_task(self._current[1])


class _Lines:
    """A line for each new thing and, while it lasts, one every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what = ""
        self._last = 0.0

    def __call__(self, what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        finished = total is not None and done >= total
        if what == self._what and not finished and now - self._last < LINE_SECONDS:
            return
        self._what, self._last = what, now
        share = f" {100 * done // total}%" if total else ""
        self._console.print(f"{what}{share}", highlight=False, markup=False, soft_wrap=True)
