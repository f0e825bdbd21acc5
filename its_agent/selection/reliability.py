"""What a vote of an arm is worth: learnt from problems whose answer is known, or from agreement."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from its_agent.errors import InvalidOption

STRENGTH = 20.0
"""Samples that the mean of all arms counts as, in the estimate of one."""
SPREAD = 8
"""Answers over which wrong samples are taken to spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often an arm was right. Raises InvalidOption unless 0 ≤ right ≤ samples."""

    arm: str
    right: int
    samples: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.samples:
            raise InvalidOption(f"{self.right} right of {self.samples} samples of {self.arm!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliabilities:
    """Weights of votes by the arm that gave them, from 0 to 1."""

    weights: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"step_by_step": 1.0, "direct": 1.0, "plain": 1.0})
    )
    other: float = 0.5
    """Weight of an arm without measurements."""

    def of(self, strategy: str) -> float:
        """The weight of an arm, named with or without its temperature."""
        return self.weights.get(strategy.partition("@")[0], self.other)


def learnt(
    counts: Iterable[Count], *, strength: float = STRENGTH, spread: int = SPREAD
) -> Reliabilities:
    """Weigh arms by the log-likelihood ratio of a vote, log(spread × p / (1 − p)), the best as 1.

    A vote for an answer has probability p where that is right, and (1 − p) / spread where another
    one is; for two answers (`spread` 1) these are the optimal weights of Nitzan and Paroush (1982).
    p is the posterior mean of a beta-binomial model whose prior is worth `strength` samples at the
    mean of all arms. A vote that speaks against its answer weighs 0; where all do, all weigh 1.
    Raises InvalidOption for a strength or spread that is not positive.
    """
    if not strength > 0 or not spread > 0:
        raise InvalidOption(f"strength {strength!r} and spread {spread!r}; allowed: above 0")
    known = list(counts)
    rights, samples = sum(c.right for c in known), sum(c.samples for c in known)
    mean = (rights + 1) / (samples + 2)
    ratios: dict[str, float] = {}
    for count in known:
        p = (count.right + strength * mean) / (count.samples + strength)
        ratios[count.arm] = math.log(spread * p / (1 - p))
    best = max(ratios.values(), default=0.0)
    if best <= 0:
        return Reliabilities(weights=dict.fromkeys(ratios, 1.0))
    return Reliabilities(weights={arm: max(0.0, ratio) / best for arm, ratio in ratios.items()})


def agreement(strategies: Sequence[str], clusters: Sequence[int | None]) -> tuple[Count, ...]:
    """Count, without labels, how often an arm agrees with the answer that leads among the other
    arms; arms whose others have no single leader are left out. The sequences have one length."""
    votes: dict[str, Counter[int]] = {}
    for strategy, cluster in zip(strategies, clusters, strict=True):
        if cluster is not None:
            votes.setdefault(strategy.partition("@")[0], Counter())[cluster] += 1
    counts: list[Count] = []
    for arm, own in votes.items():
        others = sum((more for other, more in votes.items() if other != arm), Counter[int]())
        leader = _single_leader(others)
        if leader is not None:
            counts.append(Count(arm=arm, right=own[leader], samples=own.total()))
    return tuple(counts)


def _single_leader(votes: Counter[int]) -> int | None:
    ranked = votes.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
