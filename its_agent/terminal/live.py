"""What a solve shows while it runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from its_agent.budget import Budget
from its_agent.events import (
    Estimated,
    Event,
    Generating,
    Judged,
    Retrying,
    Routed,
    Sampled,
    Solved,
)
from its_agent.terminal.flow import Flow

_VOTES_SHOWN = 4
_ANSWER_WIDTH = 40
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


def line(event: Event) -> str | None:
    """Put an event into words; None for one that a log does not need."""
    match event:
        case Estimated():
            return f"estimate   {event.source}: one sample is right with {event.success:.0%}"
        case Routed():
            where = f"{event.path}/{event.arm}" if event.arm else event.path
            bought = f", {event.samples} samples" if event.samples else ""
            return f"route      {where}{bought}: {event.why}"
        case Sampled():
            candidate = event.candidate
            return f"sample     {_shown(candidate.answer)} ({candidate.strategy})"
        case Judged():
            return f"verify     {event.verdict.confidence:.0%} sure; {votes(event.votes)}"
        case Retrying():
            return f"retry      in {event.wait:.1f} s: {event.why}"
        case Solved():
            return f"done       {event.solution.receipt.stopped_because}"
        case _:
            return None


def votes(shares: tuple[tuple[str, float], ...]) -> str:
    """The leading answers with their share of the vote."""
    shown = [f"{_shown(answer)} {share:.0%}" for answer, share in shares[:_VOTES_SHOWN]]
    more = len(shares) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more > 0 else [])]) or "no votes"


def spent_of(event: Event, budget: Budget) -> str:
    """Compute spent, of the budget where it limits compute."""
    total = "" if budget.compute is None else f" of {budget.compute:,}"
    return f"{event.spent.compute:,}{total}"


def _shown(answer: str | None) -> str:
    if answer is None:
        return "no answer"
    flat = " ".join(answer.split())
    return flat if len(flat) <= _ANSWER_WIDTH else f"{flat[: _ANSWER_WIDTH - 1]}…"


class LivePanel:
    """A few lines that are drawn over: path, samples, votes, budget, speed."""

    def __init__(self, console: Console, budget: Budget) -> None:
        self._budget = budget
        self._seen: dict[type[Event], Event] = {}
        self._samples = 0
        self._flow = Flow()
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> LivePanel:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        self._seen[type(event)] = event
        self._samples += isinstance(event, Sampled)
        self._flow.note(event)
        self._live.update(self._drawn(event))

    def _drawn(self, event: Event) -> RenderableType:
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="bold")
        rows.add_column()
        for name, said in self._rows():
            rows.add_row(name, Text(said))
        rows.add_row("budget", self._bar(event))
        return Group(rows)

    def _rows(self) -> list[tuple[str, str]]:
        rows: list[tuple[str, str]] = []
        if isinstance(estimate := self._seen.get(Estimated), Estimated):
            rows.append(("one sample right", f"{estimate.success:.0%} ({estimate.source})"))
        if isinstance(routed := self._seen.get(Routed), Routed):
            rows.append(("path", f"{routed.path}/{routed.arm}: {routed.why}"))
        running, rate = self._flow.running, self._flow.rate
        speed = f", {rate:.0f} tokens/s" if running and rate is not None else ""
        rows.append(("samples", f"{self._samples} done, {running} running{speed}"))
        if isinstance(judged := self._seen.get(Judged), Judged):
            said = f"{votes(judged.votes)}; {judged.verdict.confidence:.0%} sure"
            rows.append(("votes", said))
        if isinstance(retry := self._seen.get(Retrying), Retrying):
            rows.append(("tried again", retry.why))
        return rows

    def _bar(self, event: Event) -> RenderableType:
        said = Text(f"{spent_of(event, self._budget)}  {event.elapsed:.0f} s")
        if self._budget.compute is None:
            return said
        bar = ProgressBar(total=self._budget.compute, completed=event.spent.compute, width=30)
        row = Table.grid(padding=(0, 2))
        row.add_row(bar, said)
        return row
