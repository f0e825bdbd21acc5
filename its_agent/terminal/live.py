"""What a solve shows while it runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.live import Live

from its_agent.budget import Budget
from its_agent.event_lines import line, spent_of
from its_agent.events import Event, Generating
from its_agent.terminal.panel import Panels

_SECONDS_BETWEEN = 5.0


class View(Protocol):
    """Shows events as they come."""

    def __call__(self, event: Event) -> None: ...


def silence(event: Event) -> None:
    """Shows nothing."""


def view(console: Console, budget: Budget) -> AbstractContextManager[View]:
    """The view that fits the console; it is live between entering and leaving."""
    if console.is_terminal:
        return LivePanel(console, budget)
    return nullcontext(PlainLines(console, budget))


class PlainLines:
    """One line for each event that is worth one."""

    def __init__(self, console: Console, budget: Budget) -> None:
        self._console = console
        self._budget = budget
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        said = line(event)
        if isinstance(event, Generating) and event.elapsed >= self._last + _SECONDS_BETWEEN:
            said = (
                f"generate   {event.tokens:,} tokens, {event.running} of the request still running"
            )
        if said is not None:
            self._last = event.elapsed
            spent = f"{event.elapsed:6.1f} s  {spent_of(event, self._budget):>15}"
            self._console.print(f"{spent}  {said}", markup=False, highlight=False, soft_wrap=True)


class LivePanel:
    """A panel that is drawn over while the solve runs, and is gone afterwards."""

    def __init__(self, console: Console, budget: Budget) -> None:
        self._panel = Panels(budget)
        self._live = Live(
            console=console,
            transient=True,
            refresh_per_second=8,
            get_renderable=self._panel.drawn,
        )

    def __enter__(self) -> LivePanel:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        self._panel.note(event)
