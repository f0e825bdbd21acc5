"""From candidates and their equal answers to a verdict: which answer, how sure, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from its_agent.selection.best_of import best_of
from its_agent.selection.confidence import vote_confidence
from its_agent.selection.stopping import settled
from its_agent.selection.votes import Ballot, Standings, log_probability_weights, tally
from its_agent.solution import Candidate, Status, Verdict

Rule = Literal["weighted_vote", "majority", "best_score", "latest"]

RELIABILITY: Mapping[str, float] = {"step_by_step": 1.0, "direct": 1.0, "plain": 1.0}
OTHER_RELIABILITY = 0.5
"""Weight of a vote by the arm that gave it. Arms without measurements count half."""
AGREED = 0.8
"""Confidence from which an answer with at least two votes is called agreed."""
SETTLED = 0.95
"""Beta lead at which a vote is settled: four votes against none, or six against one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, the candidates with their weight and confidence, and the vote."""

    verdict: Verdict
    candidates: tuple[Candidate, ...]
    shares: tuple[tuple[str, float], ...]
    """Answers with their part of all weight, the leader first."""


def reliability(strategy: str) -> float:
    """The weight of a vote by an arm, named with or without its temperature."""
    return RELIABILITY.get(strategy.partition("@")[0], OTHER_RELIABILITY)


def judge(
    candidates: Sequence[Candidate],
    clusters: Sequence[int | None],
    *,
    rule: Rule,
) -> Judgement:
    """Weigh the candidates. `clusters` numbers equal answers, None for one that has no vote.

    The answer is the leader of the vote weighed by log-probability and by arm. The vote is settled
    when the same answer leads without log-probabilities by a Beta lead of SETTLED
    (Adaptive-Consistency, 2305.11860); votes of other arms than the first count by reliability.
    """
    weights = _weights(candidates, rule)
    standings = _tally(candidates, clusters, weights)
    chosen = _choose(candidates, clusters, weights, standings, rule)
    if chosen is None:
        return _abstention(candidates)
    supporters = [
        c for c, cluster in zip(candidates, clusters, strict=True) if cluster == clusters[chosen]
    ]
    votes = len(supporters)
    ended = sum(c.finish != "aborted" for c in candidates)
    is_settled = _is_settled(candidates, clusters, clusters[chosen])
    share = {s.cluster: s.weight / standings.weight for s in standings.ranking}
    confidence = vote_confidence(votes=votes, samples=ended, mean_logprob=_mean_logprob(supporters))
    verdict = Verdict(
        candidate_id=candidates[chosen].id,
        answer=candidates[chosen].answer,
        confidence=confidence,
        status=_status(votes, is_settled, confidence),
        settled=is_settled,
        votes=votes,
        reasons=_reasons(candidates, clusters, chosen, standings, rule),
    )
    return Judgement(
        verdict=verdict,
        candidates=tuple(
            replace(
                c,
                score=weight if c.answer is not None else None,
                confidence=_candidate_confidence(cluster, clusters[chosen], confidence, share),
            )
            for c, cluster, weight in zip(candidates, clusters, weights, strict=True)
        ),
        shares=tuple((s.answer, s.weight / standings.weight) for s in standings.ranking),
    )


def _is_settled(
    candidates: Sequence[Candidate], clusters: Sequence[int | None], chosen: int | None
) -> bool:
    standings = _tally(candidates, clusters, [reliability(c.strategy) for c in candidates])
    leader = standings.leader
    return leader is not None and leader.cluster == chosen and settled(standings, SETTLED)


def _mean_logprob(candidates: Sequence[Candidate]) -> float | None:
    known = [c.mean_logprob for c in candidates if c.mean_logprob is not None]
    return sum(known) / len(known) if known else None


def _weights(candidates: Sequence[Candidate], rule: Rule) -> list[float]:
    if rule == "majority":
        return [1.0] * len(candidates)
    voting = [c for c in candidates if c.answer is not None]
    by_logprob = dict(
        zip(
            (c.id for c in voting),
            log_probability_weights([c.mean_logprob for c in voting]),
            strict=True,
        )
    )
    return [reliability(c.strategy) * by_logprob.get(c.id, 0.0) for c in candidates]


def _tally(
    candidates: Sequence[Candidate], clusters: Sequence[int | None], weights: Sequence[float]
) -> Standings:
    return tally(
        Ballot(answer=c.answer, cluster=cluster, weight=weight, arm=c.strategy)
        for c, cluster, weight in zip(candidates, clusters, weights, strict=True)
    )


def _choose(
    candidates: Sequence[Candidate],
    clusters: Sequence[int | None],
    weights: Sequence[float],
    standings: Standings,
    rule: Rule,
) -> int | None:
    if standings.leader is None:
        return None
    answered = [i for i, cluster in enumerate(clusters) if cluster is not None]
    if rule == "latest":
        return answered[-1]
    if rule == "weighted_vote" or rule == "majority":
        answered = [i for i in answered if clusters[i] == standings.leader.cluster]
    best = best_of([candidates[i].mean_logprob for i in answered])
    return answered[best or 0]


def _status(votes: int, is_settled: bool, confidence: float) -> Status:
    return "agreed" if is_settled or (votes > 1 and confidence >= AGREED) else "best_effort"


def _candidate_confidence(
    cluster: int | None, chosen: int | None, confidence: float, share: Mapping[int, float]
) -> float:
    if cluster is None:
        return 0.0
    return confidence if cluster == chosen else (1 - confidence) * share[cluster]


def _reasons(
    candidates: Sequence[Candidate],
    clusters: Sequence[int | None],
    chosen: int,
    standings: Standings,
    rule: Rule,
) -> tuple[str, ...]:
    votes = sum(cluster == clusters[chosen] for cluster in clusters)
    ended = [c for c in candidates if c.finish != "aborted"]
    without = sum(c.answer is None for c in ended)
    reasons = [f"{votes} of {len(ended)} samples give this answer"]
    if rule in ("weighted_vote", "majority") and standings.runner_up is not None:
        reasons.append(
            f"it has {standings.leader_share:.0%} of the vote's weight; next is "
            f"{standings.runner_up.answer[:40]!r} with "
            f"{standings.runner_up.weight / standings.weight:.0%}"
        )
    if without:
        reasons.append(f"{without} samples ended without an answer and did not vote")
    if len(ended) < len(candidates):
        reasons.append(f"{len(candidates) - len(ended)} samples were aborted and did not vote")
    return tuple(reasons)


def _abstention(candidates: Sequence[Candidate]) -> Judgement:
    verdict = Verdict(
        candidate_id=candidates[0].id if candidates else None,
        answer=None,
        confidence=0.0,
        status="abstained",
        settled=False,
        votes=0,
        reasons=(f"none of {len(candidates)} samples ended with an answer",),
    )
    return Judgement(verdict=verdict, candidates=tuple(candidates), shares=())
