"""Rules that weigh candidates and choose one of them, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from its_agent.selection.best_of import best_of
from its_agent.selection.best_of import best_of_majority as best_among_frequent
from its_agent.selection.deepconf import deepconf_weights
from its_agent.selection.minimum_bayes_risk import expected_utilities
from its_agent.selection.perplexity_consistency import path_weights
from its_agent.selection.reliability import Reliabilities
from its_agent.selection.self_certainty import borda_weights
from its_agent.selection.votes import Ballot, Standings, log_probability_weights, tally
from its_agent.solution import Candidate

MEASURED = Reliabilities()
"""Weights of votes by the arm that gave them. Arms without measurements count half."""
FREQUENT = 0.25
"""Share of the votes from which an answer is on the shortlist of best-of-majority."""

Clusters: TypeAlias = Sequence[int | None]
"""Equal answers have equal numbers; None is a candidate without a vote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The weight of every candidate, how the answers stand, and the candidate that was chosen."""

    weights: Sequence[float]
    standings: Standings
    chosen: int | None
    """None where no candidate has a vote."""
    is_vote: bool = True
    """The answer with the most weight was chosen."""


class Rule(Protocol):
    """Chooses; pure."""

    def __call__(self, candidates: Sequence[Candidate], clusters: Clusters) -> Choice: ...


def reliability(strategy: str, reliabilities: Reliabilities = MEASURED) -> float:
    """The weight of a vote by an arm, named with or without its temperature."""
    return reliabilities.of(strategy)


def standings_of(
    candidates: Sequence[Candidate], clusters: Clusters, weights: Sequence[float]
) -> Standings:
    """Add up the votes."""
    return tally(
        Ballot(answer=c.answer, cluster=cluster, weight=weight, arm=c.strategy)
        for c, cluster, weight in zip(candidates, clusters, weights, strict=True)
    )


def majority(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Self-consistency (arXiv 2203.11171): every answer has one vote."""
    return _voted(candidates, clusters, [1.0] * len(candidates))


def weighted_vote(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Votes weigh by log-probability (CISC, arXiv 2502.06233) and by the reliability of the arm."""
    return _voted(candidates, clusters, _by_logprob(candidates))


def perplexity_consistency(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """RPC (arXiv 2510.15444): different paths vote with their probability, improbable ones not."""
    texts, logprobs = [c.text for c in candidates], [c.mean_logprob for c in candidates]
    return _voted(candidates, clusters, path_weights(texts, logprobs))


def best_score(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Best-of-N by mean log-probability."""
    return _chosen(candidates, clusters, lambda answered: _best(candidates, answered))


def best_of_majority(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Best-of-majority (arXiv 2510.03199): the likeliest candidate of the frequent answers."""
    logprobs = [c.mean_logprob for c in candidates]
    return _chosen(
        candidates,
        clusters,
        lambda answered: best_among_frequent(clusters, logprobs, frequency=FREQUENT),
    )


def self_certainty(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Best-of-N by self-certainty (arXiv 2502.18581)."""
    scores = _signals(candidates, "mean")

    def surest(answered: list[int]) -> int:
        return answered[best_of([scores[i] for i in answered]) or 0]

    return _chosen(candidates, clusters, surest)


def borda(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Votes by the rank of their self-certainty (arXiv 2502.18581)."""
    return _voted(
        candidates, clusters, borda_weights(_voting(_signals(candidates, "mean"), clusters))
    )


def deepconf(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Votes of the surest traces, by the bottom tenth of their groups (arXiv 2508.15260)."""
    scores = _voting(_signals(candidates, "bottom_groups"), clusters)
    return _voted(candidates, clusters, deepconf_weights(scores))


def minimum_bayes_risk(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """The text that shares most words with the others (arXiv 2506.20544)."""

    def most_alike(answered: list[int]) -> int:
        return answered[best_of(expected_utilities([candidates[i].text for i in answered])) or 0]

    return _chosen(candidates, clusters, most_alike)


def latest(candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """The last candidate with an answer: among those that no check fails, a refinement goes on from
    one to the next only where a check or a critique named an error."""
    return _chosen(candidates, clusters, lambda answered: answered[-1])


_Pick: TypeAlias = Callable[[list[int]], int | None]


def _voted(candidates: Sequence[Candidate], clusters: Clusters, weights: Sequence[float]) -> Choice:
    standings = standings_of(candidates, clusters, weights)
    leader = standings.leader
    supporters = [i for i, cluster in enumerate(clusters) if leader and cluster == leader.cluster]
    chosen = _best(candidates, supporters) if supporters else None
    return Choice(weights=weights, standings=standings, chosen=chosen)


def _chosen(candidates: Sequence[Candidate], clusters: Clusters, pick: _Pick) -> Choice:
    weights = _by_logprob(candidates)
    standings = standings_of(candidates, clusters, weights)
    answered = [i for i, cluster in enumerate(clusters) if cluster is not None]
    chosen = pick(answered) if answered else None
    return Choice(weights=weights, standings=standings, chosen=chosen, is_vote=False)


def _signals(candidates: Sequence[Candidate], name: str) -> list[float | None]:
    return [c.signals.get(name) for c in candidates]


def _voting(scores: Sequence[float | None], clusters: Clusters) -> list[float | None]:
    """The scores of those who have a vote: ranks and shares are theirs alone."""
    return [
        score if cluster is not None else None
        for score, cluster in zip(scores, clusters, strict=True)
    ]


def _best(candidates: Sequence[Candidate], places: Sequence[int]) -> int:
    return places[best_of([candidates[i].mean_logprob for i in places]) or 0]


def _by_logprob(candidates: Sequence[Candidate]) -> list[float]:
    voting = [place for place, c in enumerate(candidates) if c.answer is not None]
    weights = [0.0] * len(candidates)
    known = log_probability_weights([candidates[place].mean_logprob for place in voting])
    for place, weight in zip(voting, known, strict=True):
        weights[place] = reliability(candidates[place].strategy) * weight
    return weights
