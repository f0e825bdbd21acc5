"""How far a benchmark is: one line a run, with the time that is left at this pace."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from its_agent.bench.runs import Run


class Pace:
    """Counts runs and says when the last one will end if the pace holds."""

    def __init__(
        self, console: Console, total: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._total = total
        self._clock = clock
        self._began = clock()
        self._done = 0

    def tell(self, made: Run) -> None:
        """Print the line of a run that was made."""
        self._done += 1
        came = "error" if made.error else "right" if made.correct else "wrong"
        self._console.print(
            f"{self._done:>{len(str(self._total))}} of {self._total}  {made.id}  "
            f"{made.strategy} at {made.budget:,}: {came}, {made.spent.compute:,} units, "
            f"{made.seconds:.1f} s; about {self.left()} left",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def left(self) -> str:
        """The time left, in words."""
        seconds = (self._clock() - self._began) / self._done * (self._total - self._done)
        if seconds < 90:
            return f"{seconds:.0f} s"
        minutes = round(seconds / 60)
        return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
