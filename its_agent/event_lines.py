"""Events in words: a line for each that is worth one."""

from __future__ import annotations

from its_agent.budget import Budget
from its_agent.events import (
    Estimated,
    Event,
    Failed,
    Judged,
    Retrying,
    Routed,
    Sampled,
    Solved,
    Started,
    ToolRan,
)

_VOTES_SHOWN = 4
_ANSWER_WIDTH = 40


def line(event: Event) -> str | None:
    """Put an event into words; None for one that a log does not need."""
    match event:
        case Started():
            named = f"{event.run_id}, " if event.run_id else ""
            return f"run        {named}{event.strategy}, {event.engine.model}"
        case Estimated():
            return f"estimate   {event.source}: one sample is right with {event.success:.0%}"
        case Routed():
            bought = f", {event.samples} samples" if event.samples else ""
            return f"route      {where(event)}{bought}: {event.why}"
        case Sampled():
            candidate = event.candidate
            return f"sample     {shown(candidate.answer)} ({candidate.strategy})"
        case ToolRan():
            return f"tool       {tool_call(event)}: {shown(event.content)}"
        case Judged():
            return f"verify     {event.verdict.confidence:.0%} sure; {votes(event.votes)}"
        case Retrying():
            return f"retry      in {event.wait:.1f} s: {event.why}"
        case Solved():
            return f"done       {event.solution.receipt.stopped_because}"
        case Failed():
            return f"failed     {event.error}: {event.why}"
        case _:
            return None


def where(event: Routed) -> str:
    """The path, the model where there are several, and the arm, as on the receipt."""
    return "/".join(part for part in (event.path, event.model, event.arm) if part)


def tool_call(event: ToolRan) -> str:
    """What was called, and what is worth knowing of it."""
    told = f"{event.attempts} attempts" if event.attempts > 1 else ""
    marks = ("acts" * event.acts, "known" * event.again, told, "failed" * event.failed)
    said = ", ".join(mark for mark in marks if mark)
    return f"{event.name} {shown(event.arguments)}" + (f" ({said})" if said else "")


def votes(shares: tuple[tuple[str, float], ...]) -> str:
    """The leading answers with their share of the vote."""
    said = [f"{shown(answer)} {share:.0%}" for answer, share in shares[:_VOTES_SHOWN]]
    more = len(shares) - len(said)
    return ", ".join([*said, *([f"{more} more"] if more > 0 else [])]) or "no votes"


def spent_of(event: Event, budget: Budget | None) -> str:
    """Compute spent, of the budget where it limits compute."""
    total = "" if budget is None or budget.compute is None else f" of {budget.compute:,}"
    return f"{event.spent.compute:,}{total}"


def shown(answer: str | None) -> str:
    """An answer on one short line."""
    if answer is None:
        return "no answer"
    flat = " ".join(answer.split())
    return flat if len(flat) <= _ANSWER_WIDTH else f"{flat[: _ANSWER_WIDTH - 1]}…"
