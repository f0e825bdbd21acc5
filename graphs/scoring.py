"""Scores a wave of steps: buys the readings, and tells them on the algorithm's scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from its_agent.backends.account import Account
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.purchase import Purchase
from its_agent.graphs.sampling import Taken
from its_agent.graphs.scales import Scale, fits, rescaled
from its_agent.graphs.step_scores import Partial, StepScore
from its_agent.verifiers import Reading

TROUBLES: Mapping[str, str] = MappingProxyType(
    {
        "unknown": "had nothing to say of some steps",
        "broken": "failed on some steps",
        "unfit": "gave numbers that are no {scale} for some steps",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What the steps of a wave are worth, in their order: None for an unscored one."""

    readings: tuple[float | None, ...] = ()
    """As they were read."""
    told: tuple[float | None, ...] = ()
    """As the algorithm wants them."""
    taken: Taken = Taken()
    """What they cost, and what the receipt should say."""


async def scored(
    score: StepScore, partials: Sequence[Partial], door: MeteredBackend, *, told_as: Scale
) -> Scores:
    """Score every step of a wave, paid through its door. What cannot be scored stays unscored, and
    is noted."""
    account = Account(door=door, purpose="search")
    raw = await score.read(partials, account) if partials else []
    readings = tuple(_number(reading, score.scale) for reading in raw)
    told = (None if r is None else rescaled(r, read=score.scale, told=told_as) for r in readings)
    purchase = Purchase(
        usage=account.usage,
        interrupted=account.interrupted,
        notes=(*dict.fromkeys(account.notes), *_notes(score, raw)),
    )
    return Scores(readings=readings, told=tuple(told), taken=Taken(purchases=(purchase,)))


def unscored(steps: int) -> Scores:
    """The scores of steps that nobody will choose between."""
    return Scores(readings=(None,) * steps, told=(None,) * steps)


def _number(reading: Reading, scale: Scale) -> float | None:
    if isinstance(reading, str):
        return None
    return reading if fits(reading, scale) else None


def _notes(score: StepScore, readings: Sequence[Reading]) -> list[str]:
    found = {_trouble(reading, score.scale) for reading in readings}
    scale = score.scale.replace("_", "-")
    return [
        f"the step score {score.name!r} {said.format(scale=scale)}: they stay unscored"
        for trouble, said in TROUBLES.items()
        if trouble in found
    ]


def _trouble(reading: Reading, scale: Scale) -> str | None:
    if isinstance(reading, str):
        return reading
    return None if fits(reading, scale) else "unfit"
