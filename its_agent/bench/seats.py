"""Which models a benchmark has, and which of them a strategy gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from its_agent.backends.protocol import Backend
from its_agent.bench.variant import models_of
from its_agent.difficulty.profile import Profile
from its_agent.errors import InvalidOption

LONE = ""
"""The name of a model that has no others beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """The models by name, the usual one first, and what is known of their samples."""

    by_name: Mapping[str, Backend]
    profiles: Mapping[str, Profile]

    @classmethod
    def of(
        cls,
        backend: Backend | Mapping[str, Backend],
        profile: Profile | Mapping[str, Profile] | None,
    ) -> Seats:
        """One model or several, with a profile for each or for none."""
        by_name = backend if isinstance(backend, Mapping) else {LONE: backend}
        first = next(iter(by_name))
        known = profile if isinstance(profile, Mapping) else {first: profile} if profile else {}
        return cls(by_name=by_name, profiles=known)

    @property
    def backends(self) -> list[Backend]:
        """All of them."""
        return list(self.by_name.values())

    def taken_by(self, strategy: str) -> dict[str, Any]:
        """What an Agent is made with for a strategy as it is spelt. Raises InvalidOption."""
        names = models_of(strategy) or (next(iter(self.by_name)),)
        unknown = [name for name in names if name not in self.by_name]
        if unknown:
            raise InvalidOption(
                f"{strategy!r} names the model {unknown[0]!r}; "
                f"--models names {', '.join(map(repr, self.by_name))}"
            )
        if len(names) == 1:
            return {"backend": self.by_name[names[0]], "profile": self.profiles.get(names[0])}
        known = {name: self.profiles[name] for name in names if name in self.profiles}
        return {"backend": {name: self.by_name[name] for name in names}, "profile": known or None}
