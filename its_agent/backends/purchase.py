"""What was bought through the door: what came of it, what it cost, and what ended it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.errors import BackendError

T = TypeVar("T")

EndOfTime = Literal["deadline", "cancelled"]
"""Why a solve has to end: its time is up, or its caller said stop."""
Interruption: TypeAlias = EndOfTime | Literal["decided"]
"""Why a request was aborted: the solve has to end, or the vote that it was for is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What one request brought, tries again included. Whatever ended it, its samples are here."""

    samples: tuple[Sample, ...] = ()
    usage: Usage = Usage()
    failure: BackendError | None = None
    interrupted: Interruption | None = None
    notes: tuple[str, ...] = ()
    worst: int = 0
    """Compute units that it may cost, tries again included, where it may be charged unseen."""

    def __add__(self, later: Purchase) -> Purchase:
        """This try and a later one, which says how it ended."""
        return Purchase(
            samples=self.samples + later.samples,
            usage=self.usage + later.usage,
            failure=later.failure,
            interrupted=later.interrupted,
            notes=self.notes + later.notes,
            worst=self.worst or later.worst,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Generic[T]):
    """What a piece of work brought that is not streamed; no value where it was cut off."""

    value: T | None = None
    usage: Usage = Usage()
    failure: BackendError | None = None
    interrupted: EndOfTime | None = None
