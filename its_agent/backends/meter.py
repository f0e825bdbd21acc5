"""What the receipt counts beside the ledger, and which prompts an engine has read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Meter:
    """What the scopes of one solve share: prompts already read, and counts for the receipt. A
    further model has a meter of its own, whose counts go up in that of the solve."""

    of_solve: Meter | None = field(default=None, repr=False)
    read: set[int] = field(default_factory=set[int])
    lacks: set[str] = field(default_factory=set[str])
    """Capabilities that the server turned out not to have."""
    engine_prompt_tokens: int = 0
    """Prompt tokens as the engine's counter adds them up: once for every sample."""
    unseen_tokens: int = 0
    """Charged as a bound for what an engine made after the last piece that was seen."""
    estimated_tokens: int = 0
    """Charged by an estimate, since nobody counted them."""
    retries: int = 0

    def count(self, **counts: int) -> None:
        """Add to the counts, here and in the meter of the solve."""
        for name, more in counts.items():
            setattr(self, name, getattr(self, name) + more)
        if self.of_solve is not None:
            self.of_solve.count(**counts)

    def to_plain(self) -> dict[str, Any]:
        """What outlives a kill; which prompts the prefix cache still holds does not."""
        return {name: getattr(self, name) for name in _COUNTS} | {"lacks": sorted(self.lacks)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Meter:
        """Read it back."""
        return cls(
            lacks=set(plain.get("lacks", ())), **{name: plain.get(name, 0) for name in _COUNTS}
        )


_COUNTS = ("engine_prompt_tokens", "unseen_tokens", "estimated_tokens", "retries")
