"""A policy whose samples are attempts of several turns, and that others are to pay after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from its_agent.policy.fixed import WAVE
from its_agent.policy.protocol import Buy, Decision, Policy, Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """Begins with one wave, as only that shows what an attempt costs, and keeps something back."""

    policy: Policy
    kept: int = 0
    """Compute units that no wave is to be begun with."""

    def __call__(self, situation: Situation) -> Decision:
        left = situation.remaining
        if left.compute is not None:
            left = replace(left, compute=max(0, left.compute - self.kept))
        decision = self.policy(replace(situation, remaining=left))
        if isinstance(decision, Buy) and not situation.samples:
            return replace(decision, samples=min(WAVE, decision.samples))
        return decision
