"""Votes for answers, added up: majority and weighted self-consistency."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from its_agent.errors import InvalidOption
from its_agent.selection.score_weights import softmax_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """One candidate's vote. Without an answer, or a cluster of equal answers, it never counts."""

    answer: str | None
    cluster: int | None
    weight: float = 1.0
    arm: str = ""

    def __post_init__(self) -> None:
        if not (self.weight >= 0 and math.isfinite(self.weight)):
            raise InvalidOption(
                f"a ballot weighs {self.weight!r}; allowed: a finite number of at least 0"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one cluster of equal answers has received; `answer` is its first wording."""

    answer: str
    cluster: int
    weight: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """The clusters, best first; empty when nobody voted."""

    ranking: tuple[Standing, ...] = ()

    @property
    def leader(self) -> Standing | None:
        """The cluster with the most weight; None when nobody voted."""
        return self.ranking[0] if self.ranking else None

    @property
    def runner_up(self) -> Standing | None:
        """The second cluster; None when at most one has votes."""
        return self.ranking[1] if len(self.ranking) > 1 else None

    @property
    def votes(self) -> int:
        """How many ballots counted."""
        return sum(standing.count for standing in self.ranking)

    @property
    def weight(self) -> float:
        """The weight of all counted ballots."""
        return math.fsum(standing.weight for standing in self.ranking)

    @property
    def leader_share(self) -> float:
        """The leader's part of all weight, from 0 (nobody voted) to 1 (unanimous)."""
        return self.leader.weight / self.weight if self.leader and self.weight else 0.0

    @property
    def is_unanimous(self) -> bool:
        """Whether all who voted agree."""
        return len(self.ranking) == 1


def tally(ballots: Iterable[Ballot]) -> Standings:
    """Add up the ballots; ties go to the larger count, then to the cluster with the lower number.

    Clusters are numbered by first appearance, so the last tie-break means the earliest answer.
    """
    groups: dict[int, list[Ballot]] = {}
    for ballot in ballots:
        if ballot.answer is not None and ballot.cluster is not None:
            groups.setdefault(ballot.cluster, []).append(ballot)
    standings = [_standing(cluster, group) for cluster, group in groups.items()]
    ranked = sorted(standings, key=lambda one: (-one.weight, -one.count, one.cluster))
    return Standings(ranking=tuple(ranked))


def _standing(cluster: int, group: Sequence[Ballot]) -> Standing:
    return Standing(
        answer=group[0].answer or "",
        cluster=cluster,
        weight=math.fsum(ballot.weight for ballot in group),
        count=len(group),
    )


def majority(answers: Sequence[str | None], clusters: Sequence[int | None]) -> Standings:
    """Self-consistency (arXiv 2203.11171): one answer, one vote."""
    return weighted(answers, clusters, [1.0] * len(answers))


def weighted(
    answers: Sequence[str | None], clusters: Sequence[int | None], weights: Sequence[float]
) -> Standings:
    """Weighted self-consistency; the three sequences have one length."""
    return tally(
        Ballot(answer=answer, cluster=cluster, weight=weight)
        for answer, cluster, weight in zip(answers, clusters, weights, strict=True)
    )


def log_probability_weights(
    mean_logprobs: Sequence[float | None], temperature: float = 0.1
) -> list[float]:
    """Weights exp(mean log-probability / temperature), scaled so that the known ones average 1.

    CISC's softmax over confidences (arXiv 2502.06233), with the length-normalised sequence
    probability as the confidence. An unknown log-probability weighs 1, the average.
    """
    return softmax_weights(mean_logprobs, temperature)
