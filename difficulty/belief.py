"""A Beta distribution over "one sample of this problem is right"."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one source says, and how much it is trusted."""

    source: str
    success: float
    """Probability that one sample is right, by this source alone."""
    strength: float
    """How many observed samples it is worth."""
    compute: int = 0
    """Compute units that asking it has cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Beta(alpha, beta); starts uniform with the weight of two samples."""

    alpha: float = 1.0
    beta: float = 1.0
    evidence: tuple[Evidence, ...] = ()

    @property
    def success(self) -> float:
        """Expected probability that one sample is right."""
        return self.alpha / (self.alpha + self.beta)

    def after(self, evidence: Evidence) -> Belief:
        """Update with evidence as pseudo-observations."""
        return replace(
            self,
            alpha=self.alpha + evidence.strength * evidence.success,
            beta=self.beta + evidence.strength * (1 - evidence.success),
            evidence=(*self.evidence, evidence),
        )

    def to_plain(self) -> dict[str, Any]:
        """Return plain data for a checkpoint."""
        return {
            "alpha": self.alpha,
            "beta": self.beta,
            "evidence": [asdict(evidence) for evidence in self.evidence],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Belief:
        """Read back what `to_plain` gave."""
        evidence = tuple(Evidence(**e) for e in plain["evidence"])
        return cls(alpha=plain["alpha"], beta=plain["beta"], evidence=evidence)
