"""What a page of one solve shows, as plain data: told from its events alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from its_agent.budget import Usage
from its_agent.errors import InvalidInput
from its_agent.events import Estimated, Event, Failed, Judged, Routed, Solved, Spent, Started
from its_agent.receipt import Receipt
from its_agent.trace.candidates import candidates
from its_agent.trace.forest import forest
from its_agent.trace.requests import numbered_through, requests
from its_agent.trace.rounds import moment, rounds

E = TypeVar("E", bound=Event)
Plain = dict[str, Any]


def runs_of(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events of each solve, in the order in which they began."""
    runs: dict[str, list[Event]] = {}
    for event in events:
        runs.setdefault(event.run_id, []).append(event)
    return runs


def one_run(events: Iterable[Event], run_id: str | None = None) -> list[Event]:
    """The events of that solve, or of the last one that began. Raises InvalidInput where there is
    none."""
    runs = runs_of(events)
    if not runs:
        raise InvalidInput("there is no solve in this trace: it has no events")
    if run_id is None:
        return runs[list(runs)[-1]]
    if run_id not in runs:
        raise InvalidInput(f"no solve {run_id!r} in this trace; it has: {', '.join(runs)}")
    return runs[run_id]


def story(events: Sequence[Event]) -> Plain:
    """Everything that the page draws; a solve that was cut off is told as far as it goes."""
    events = list(numbered_through(events))
    last = _last_part(events)
    begun, solved = first(last, Started), first(last, Solved)
    receipt = solved.solution.receipt if solved else None
    played = rounds(events, receipt)
    answers = candidates(events, played)
    return {
        "run": events[0].run_id,
        "problem": [dict(message) for message in begun.messages] if begun else [],
        "strategy": begun.strategy if begun else "",
        "budget": asdict(begun.budget) if begun else asdict(receipt.budget) if receipt else {},
        "engine": _engine(begun, receipt),
        "end": _end(last),
        "spent": asdict(events[-1].spent),
        "elapsed": events[-1].elapsed,
        "estimates": _estimates(events),
        "rounds": [one.to_plain() for one in played],
        "stop": _stop(last),
        "standings": [_standing(event) for event in events if isinstance(event, Judged)],
        "candidates": answers.listed,
        "answers": answers.groups,
        "forest": forest(events),
        **requests(events, played),
        "purposes": _purposes(events, receipt),
        "receipt": _totals(receipt) if receipt else None,
    }


def first(events: Iterable[Event], kind: type[E]) -> E | None:
    """The first event of a kind."""
    return next((event for event in events if isinstance(event, kind)), None)


def _last_part(events: Sequence[Event]) -> Sequence[Event]:
    """What came since the solve last began: before it went on it may have ended."""
    begun = [place for place, event in enumerate(events) if isinstance(event, Started)]
    return events[begun[-1] :] if begun else events


def _end(events: Sequence[Event]) -> Plain:
    solved, failed = first(events, Solved), first(events, Failed)
    if solved is not None:
        solution = solved.solution
        return {
            "kind": "solved",
            "answer": solution.answer,
            "text": solution.text,
            "confidence": solution.confidence,
            "status": solution.status,
            "reasons": list(solution.reasons),
            "stopped": solution.receipt.stopped_because,
        }
    if failed is not None:
        return {"kind": "failed", "error": failed.error, "why": failed.why}
    return {"kind": "open"}


def _stop(events: Iterable[Event]) -> Plain | None:
    stops = [e for e in events if isinstance(e, Routed) and e.path == "stop"]
    if not stops:
        return None
    return {"reason": stops[-1].arm, "why": stops[-1].why, "at": moment(stops[-1])}


def _estimates(events: Iterable[Event]) -> list[Plain]:
    return [
        {"source": e.source, "success": e.success, "at": moment(e)}
        for e in events
        if isinstance(e, Estimated)
    ]


def _standing(event: Judged) -> Plain:
    verdict = event.verdict
    return {
        "at": moment(event),
        "answer": verdict.answer,
        "confidence": verdict.confidence,
        "status": verdict.status,
        "settled": verdict.settled,
        "votes": [list(vote) for vote in event.votes],
    }


def _purposes(events: Iterable[Event], receipt: Receipt | None) -> dict[str, Plain]:
    """By the receipt, else by what was settled so far."""
    spent: Mapping[str, Usage] = receipt.by_purpose if receipt else {}
    if receipt is None:
        added: dict[str, Usage] = {}
        for event in events:
            if isinstance(event, Spent):
                added[event.purpose] = added.get(event.purpose, Usage()) + event.usage
        spent = added
    return {purpose: asdict(usage) for purpose, usage in spent.items()}


def _engine(begun: Started | None, receipt: Receipt | None) -> Plain:
    engine = receipt.engine if receipt else begun.engine if begun else None
    return asdict(engine) if engine else {}


def _totals(receipt: Receipt) -> Plain:
    plain = receipt.to_dict()
    return {name: value for name, value in plain.items() if name not in ("engine", "by_purpose")}
