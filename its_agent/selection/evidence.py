"""Evidence that is not a vote: log-odds of verifiers, added to what the votes say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from its_agent.selection.rules import Choice, Clusters, standings_of
from its_agent.solution import Candidate


def reweighed(
    choice: Choice, candidates: Sequence[Candidate], clusters: Clusters, log_odds: Sequence[float]
) -> Choice:
    """The same vote with every weight multiplied by its odds, scaled to keep the total: naive
    Bayes, in which a vote and a verifier are independent. A choice that is not a vote stays."""
    if not choice.is_vote or choice.chosen is None:
        return choice
    odds = [w * math.exp(e) for w, e in zip(choice.weights, log_odds, strict=True)]
    scale = math.fsum(choice.weights) / (math.fsum(odds) or 1.0)
    weights = [scale * one for one in odds]
    standings = standings_of(candidates, clusters, weights)
    leader = standings.leader
    if leader is None:
        return choice
    chosen = max(
        (place for place, cluster in enumerate(clusters) if cluster == leader.cluster),
        key=lambda place: (weights[place], -place),
    )
    return replace(choice, weights=weights, standings=standings, chosen=chosen)


def updated(
    confidence: float, log_odds: Sequence[float], clusters: Clusters, chosen: int | None
) -> float:
    """The confidence in the answer of cluster `chosen`, its log-odds raised by the mean of what is
    known of its candidates."""
    own = [e for e, cluster in zip(log_odds, clusters, strict=True) if cluster == chosen]
    logit = math.log(confidence / (1 - confidence)) + sum(own) / len(own)
    return 1 / (1 + math.exp(-logit))
