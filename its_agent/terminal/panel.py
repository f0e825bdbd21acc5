"""The live panel of a solve: its steps, votes, samples in flight, budget and clock."""

from __future__ import annotations

from dataclasses import dataclass

from rich.bar import Bar
from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from its_agent.budget import Budget
from its_agent.event_lines import shown, spent_of, where
from its_agent.events import Estimated, Event, Judged, Retrying, Routed, Sampled, Solved, Started
from its_agent.terminal.flow import Flow

_STEPS_SHOWN = 6
_VOTES_SHOWN = 4
_BAR = 24
_COLOURS = ("cyan", "yellow", "green", "magenta")


@dataclass(slots=True)
class _Step:
    where: str
    why: str
    samples: int = 0
    came: str = ""


class Panels:
    """What is known of a solve so far, and how it is drawn."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._flow = Flow()
        self._steps: list[_Step] = []
        self._samples = 0
        self._run = ""
        self._estimate: Estimated | None = None
        self._judged: Judged | None = None
        self._retry: Retrying | None = None
        self._last: Event | None = None

    def note(self, event: Event) -> None:
        """Take an event into account."""
        self._last = event
        self._flow.note(event)
        match event:
            case Started():
                self._run = f"{event.strategy} on {event.engine.model}, run {event.run_id}"
            case Estimated():
                self._estimate = event
            case Routed():
                self._steps.append(_Step(where(event), event.why))
            case Sampled() if self._steps:
                self._steps[-1].samples += 1
                self._samples += 1
            case Judged():
                self._weigh(event)
            case Retrying():
                self._retry = event
            case Solved():
                self._retry = None
            case _:
                pass

    def drawn(self) -> RenderableType:
        """The panel as it is now."""
        if self._last is None:
            return Text("")
        parts = [self._drawn_steps(), *self._drawn_votes(), self._drawn_work(self._last)]
        return Panel(
            Group(*parts),
            box=ROUNDED,
            border_style="cyan",
            title=Text(self._run) if self._run else None,
            title_align="left",
            padding=(0, 1),
        )

    def _weigh(self, event: Judged) -> None:
        self._judged = event
        if self._steps:
            verdict = event.verdict
            self._steps[-1].came = f"{shown(verdict.answer)}, {verdict.confidence:.0%} sure"

    def _drawn_steps(self) -> RenderableType:
        """The last steps; the one that is under way has no outcome yet."""
        table = Table.grid(padding=(0, 2))
        for style in ("dim", "bold cyan", "", "green"):
            table.add_column(style=style, overflow="ellipsis", no_wrap=style != "")
        if self._estimate is not None:
            said = f"one sample is right with {self._estimate.success:.0%}"
            table.add_row("", "estimate", Text(f"{said} ({self._estimate.source})"), "")
        first = max(0, len(self._steps) - _STEPS_SHOWN)
        if first:
            table.add_row("", f"{first} steps before", "", "")
        for number, step in enumerate(self._steps[first:], first + 1):
            ends = step.where.startswith("stop/")
            mark = "■" if ends else str(number)
            # Only the last reason is shown in full.
            why = Text(step.why, no_wrap=number < len(self._steps), overflow="ellipsis")
            table.add_row(mark, Text(step.where), why, Text(step.came))
        return table

    def _drawn_votes(self) -> list[RenderableType]:
        if self._judged is None or not self._judged.votes:
            return []
        table = Table.grid(padding=(0, 2))
        for place, (answer, share) in enumerate(self._judged.votes[:_VOTES_SHOWN]):
            bar = Bar(1.0, 0.0, share, width=_BAR, color=_COLOURS[place])
            table.add_row(Text(shown(answer), style="bold"), bar, f"{share:.0%}")
        more = len(self._judged.votes) - _VOTES_SHOWN
        if more > 0:
            table.add_row(Text(f"{more} more", style="dim"))
        return [Text(""), table]

    def _drawn_work(self, event: Event) -> RenderableType:
        running, rate = self._flow.running, self._flow.rate
        speed = f", {rate:.0f} tokens/s" if running and rate is not None else ""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_row("samples", Text(f"{self._samples} done, {running} running{speed}"))
        if self._retry is not None:
            table.add_row("tried again", Text(self._retry.why, style="yellow"))
        table.add_row("budget", self._drawn_budget(event))
        return Group(Text(""), table)

    def _drawn_budget(self, event: Event) -> RenderableType:
        limit = self._budget.seconds
        clock = f"{event.elapsed:.0f} s" + ("" if limit is None else f" of {limit:g} s")
        said = Text(f"{spent_of(event, self._budget)}  {clock}")
        if self._budget.compute is None:
            return said
        spent = event.spent.compute
        bar = ProgressBar(
            total=self._budget.compute,
            completed=spent,
            width=_BAR,
            complete_style="cyan",
            finished_style="cyan",
        )
        row = Table.grid(padding=(0, 2))
        row.add_row(bar, said)
        return row
