"""Rules that go by the scores of a verifier: any signal of the candidates, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from its_agent.errors import InvalidOption
from its_agent.selection.best_of import best_of, best_of_majority
from its_agent.selection.rules import FREQUENT, Choice, Clusters, standings_of, weighted_vote
from its_agent.selection.score_weights import finite, score_weights, softmax_weights
from its_agent.solution import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreWeighted:
    """Votes weigh by a signal: its softmax at `temperature` among those who vote (CISC,
    arXiv 2502.06233), or, without one, the signal itself (weighted best-of-N).

    Of the winning answer the best-scored candidate is chosen. Unscored candidates weigh the
    average. Signals that may be negative want a temperature.
    """

    signal: str
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None and not self.temperature > 0:
            raise InvalidOption(f"vote temperature {self.temperature!r}; allowed: above 0, or None")

    def __call__(self, candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
        scores = _scores(candidates, clusters, self.signal)
        weights = [0.0] * len(candidates)
        voting = [place for place, cluster in enumerate(clusters) if cluster is not None]
        for place, weight in zip(voting, self._weigh([scores[i] for i in voting]), strict=True):
            weights[place] = weight
        standings = standings_of(candidates, clusters, weights)
        leader = standings.leader
        supporters = [i for i in voting if leader and clusters[i] == leader.cluster]
        chosen = supporters[best_of([scores[i] for i in supporters]) or 0] if supporters else None
        return Choice(weights=weights, standings=standings, chosen=chosen)

    def _weigh(self, scores: Sequence[float | None]) -> list[float]:
        if self.temperature is None:
            return score_weights(scores)
        return softmax_weights(scores, self.temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestScored:
    """Best-of-N by a signal: the highest score wins, an unscored candidate never does. Where nobody
    is scored the weighted vote decides, and the choice says that it is a vote."""

    signal: str

    def __call__(self, candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
        scores = _scores(candidates, clusters, self.signal)
        return _unless_known(weighted_vote(candidates, clusters), best_of(scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfMajority:
    """Best-of-majority by a signal (arXiv 2510.03199): the best-scored candidate of the answers
    with at least `frequency` of the votes. Where none of theirs is scored the weighted vote
    decides, and the choice says that it is a vote."""

    signal: str
    frequency: float = FREQUENT

    def __post_init__(self) -> None:
        if not 0 <= self.frequency <= 1:
            raise InvalidOption(f"frequency {self.frequency!r}; allowed: a share from 0 to 1")

    def __call__(self, candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
        scores = _scores(candidates, clusters, self.signal)
        best = best_of_majority(clusters, scores, frequency=self.frequency)
        known = best if best is not None and scores[best] is not None else None
        return _unless_known(weighted_vote(candidates, clusters), known)


def _unless_known(vote: Choice, best: int | None) -> Choice:
    return vote if best is None else replace(vote, chosen=best, is_vote=False)


def _scores(candidates: Sequence[Candidate], clusters: Clusters, signal: str) -> list[float | None]:
    """The signal of those who have a vote."""
    told = finite([c.signals.get(signal) for c in candidates])
    return [
        score if cluster is not None else None
        for score, cluster in zip(told, clusters, strict=True)
    ]
