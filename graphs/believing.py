"""What the samples so far say of which answer is right, by the profile of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from its_agent.difficulty.answer_belief import AnswerBelief, Observation
from its_agent.difficulty.profile import Profile
from its_agent.difficulty.sample_features import Asked
from its_agent.graphs.state import State
from its_agent.selection.rules import Choice, Clusters, standings_of
from its_agent.solution import Candidate


def believed(
    state: State,
    profiles: Mapping[str, Profile],
    candidates: Sequence[Candidate],
    clusters: Clusters,
    log_odds: Sequence[float] = (),
) -> AnswerBelief:
    """The belief after these candidates, by the profile of each one's model; `log_odds` is what
    verifiers say of each."""
    asked = Asked.of(state.question, state.answer_type)
    belief = AnswerBelief(
        tallies={name: profile.tally(asked) for name, profile in profiles.items()}
    ).after(
        _observation(profiles[candidate.model], asked, candidate, cluster)
        for candidate, cluster in zip(candidates, clusters, strict=True)
        if candidate.finish != "aborted"
    )
    return belief.told(_means(clusters, log_odds)) if any(log_odds) else belief


def _observation(
    profile: Profile, asked: Asked, candidate: Candidate, cluster: int | None
) -> Observation:
    weight, model = profile.weight(candidate.strategy), candidate.model
    if cluster is None or candidate.answer is None:
        return Observation(answer=None, weight=weight, model=model)
    told = profile.evidence_of(
        asked,
        text=candidate.text,
        answer=candidate.answer,
        tokens=candidate.usage.completion_tokens,
        mean_logprob=candidate.mean_logprob,
    )
    return Observation(answer=cluster, evidence=told, weight=weight, model=model)


def _means(clusters: Clusters, log_odds: Sequence[float]) -> dict[int, float]:
    """What is said of an answer: the mean over its candidates."""
    said: dict[int, list[float]] = {}
    for cluster, one in zip(clusters, log_odds, strict=True):
        if cluster is not None:
            said.setdefault(cluster, []).append(one)
    return {cluster: sum(listed) / len(listed) for cluster, listed in said.items()}


def by_belief(belief: AnswerBelief, candidates: Sequence[Candidate], clusters: Clusters) -> Choice:
    """Choose the likeliest answer, by its likeliest text; the votes for an answer share its
    probability."""
    posterior, best = belief.posterior, belief.best[0]
    counts = {cluster: sum(one == cluster for one in clusters) for cluster in posterior}
    weights = [
        0.0 if cluster not in posterior else posterior[cluster] / counts[cluster]
        for cluster in clusters
    ]
    places = [place for place, cluster in enumerate(clusters) if cluster == best]
    chosen = max(
        places if best is not None else [],
        key=lambda place: (_surety(candidates[place]), -place),
        default=None,
    )
    standings = standings_of(candidates, clusters, weights)
    return Choice(weights=weights, standings=standings, chosen=chosen)


def _surety(candidate: Candidate) -> float:
    return -math.inf if candidate.mean_logprob is None else candidate.mean_logprob
