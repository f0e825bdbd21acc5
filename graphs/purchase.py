"""Turns what a path took into the update of the state that every path returns."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.backends.metered import MeteredBackend
from its_agent.budget import Budget, Usage
from its_agent.graphs.context import Context
from its_agent.graphs.sampling import Taken
from its_agent.graphs.state import State, Update, flat, note, plain_candidate, plain_usage
from its_agent.receipt import StopReason
from its_agent.solution import Candidate


def paid(state: State, context: Context, taken: Taken, *, path: str, arm: str) -> Update:
    """Record a purchase of samples. One of several models that fails, or has no room for the
    problem, is not asked again; without the usual one the solve is over."""
    assert state.plan is not None
    model = state.plan["model"]
    is_other = bool(model) and model != context.usual.name
    if is_other and (taken.stop == "backend_lost" or taken.too_long):
        context.lost.add(model)
    update = bought(
        state,
        context,
        path=path,
        arm=arm,
        usage=taken.usage,
        candidates=[c.id for c in taken.candidates],
        stop=None if model in context.lost else taken.stop,
        troubles=[*taken.notes, *(str(t) for t in (taken.failure, taken.too_long) if t)],
    )
    return update | Update(candidates=[plain_candidate(c) for c in taken.candidates])


def bought(
    state: State,
    context: Context,
    *,
    path: str,
    arm: str,
    usage: Usage,
    candidates: Sequence[str],
    stop: StopReason | None,
    troubles: Sequence[str],
) -> Update:
    """Record a purchase: its candidates by id, its price, and what ended it early."""
    assert state.plan is not None
    before = state.bought["usage"] if state.bought else None
    update = Update(
        bought={
            "path": path,
            "arm": arm,
            "model": context.model(state.plan["model"]).name,
            "why": state.plan["why"],
            "usage": flat(usage) if before is None else _add(before, usage),
            "candidates": [*_ids(state), *candidates],
        },
        intent=None,
    ) | books(context)
    if stop is not None:
        update["stopped_because"] = stop
    if troubles:
        number = len(state.steps) + 1
        update["notes"] = [note(number, trouble) for trouble in troubles]
    return update


def books(context: Context) -> Update:
    """The ledger, the meter and the models that are lost as plain data."""
    return Update(
        books={
            "spent": plain_usage(context.ledger.by_purpose),
            "meter": context.door.meter.to_plain(),
            "elapsed": context.ledger.elapsed,
            "lost": sorted(context.lost),
        }
    )


def share_left(state: State) -> int | None:
    """Compute units that the purchase under way may still cost; None without a limit."""
    assert state.plan is not None
    at_most: float | None = state.plan["at_most"]
    used: int = state.bought["usage"]["compute"] if state.bought else 0
    return None if at_most is None else int(at_most) - used


def scoped(state: State, context: Context, *, name: str) -> MeteredBackend:
    """Open a door that pays from what is left of the purchase's share."""
    share = share_left(state)
    if share is None:
        return context.door
    return context.door.within(context.ledger.scope(Budget(compute=max(1, share)), name=name))


def _ids(state: State) -> list[str]:
    return list(state.bought["candidates"]) if state.bought else []


def _add(before: dict[str, float], usage: Usage) -> dict[str, float]:
    after = flat(usage)
    return {key: before[key] + after[key] for key in before}


def describe(candidates: Sequence[Candidate], *, judged: bool = False) -> str:
    """Say what was bought in a few words."""
    if judged:
        return f"scores of {len(candidates)}"
    cut = sum(c.finish == "length" for c in candidates)
    lost = sum(c.finish == "aborted" for c in candidates)
    parts = [f"{len(candidates)} sample" + ("" if len(candidates) == 1 else "s")]
    parts += [f"{cut} cut off"] if cut else []
    parts += [f"{lost} unfinished"] if lost else []
    return ", ".join(parts)
