"""From candidates and their equal answers to a verdict: which answer, how sure, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from its_agent.selection.confidence import vote_confidence
from its_agent.selection.evidence import reweighed, updated
from its_agent.selection.rules import Choice, Clusters, Rule, reliability, standings_of
from its_agent.selection.stopping import beta_lead
from its_agent.selection.votes import Standing, Standings
from its_agent.solution import Candidate, Status, Verdict

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
    votes: tuple[float, ...] = ()
    """Votes for each answer, by reliability: the chosen one's first, then the others' in order."""


def judge(
    candidates: Sequence[Candidate],
    clusters: Clusters,
    *,
    rule: Rule,
    evidence: Sequence[float] = (),
    confidence: float | None = None,
) -> Judgement:
    """Weigh the candidates, and choose by the rule.

    `evidence` holds what verifiers add to each candidate's log-odds of being right: in a vote it
    multiplies the weights, and the chosen answer's confidence takes the mean of its votes'.
    `confidence` is that of the answer that the rule chooses, where it is known better than the
    votes alone have it.

    The vote is settled when the chosen answer leads without log-probabilities by a Beta lead of
    SETTLED (Adaptive-Consistency, 2305.11860); votes of other arms than the first count by
    reliability.
    """
    choice = rule(candidates, clusters)
    if any(evidence):
        choice = reweighed(choice, candidates, clusters, evidence)
    standings, chosen = choice.standings, choice.chosen
    if chosen is None:
        return _abstention(candidates)
    supporters = [
        c for c, cluster in zip(candidates, clusters, strict=True) if cluster == clusters[chosen]
    ]
    votes = len(supporters)
    ended = sum(c.finish != "aborted" for c in candidates)
    standing_votes = _votes(candidates, clusters, clusters[chosen])
    is_settled = beta_lead(standing_votes[0], max(standing_votes[1:], default=0.0)) >= SETTLED
    share = {s.cluster: _share(s, standings) for s in standings.ranking}
    if confidence is None:
        surety = _mean_logprob(supporters)
        confidence = vote_confidence(votes=votes, samples=ended, mean_logprob=surety)
    if any(evidence):
        confidence = updated(confidence, evidence, clusters, clusters[chosen])
    verdict = Verdict(
        candidate_id=candidates[chosen].id,
        answer=candidates[chosen].answer,
        confidence=confidence,
        status=_status(votes, is_settled, confidence),
        settled=is_settled,
        votes=votes,
        reasons=_reasons(candidates, clusters, choice),
    )
    return Judgement(
        verdict=verdict,
        candidates=tuple(
            replace(
                c,
                score=weight if c.answer is not None else None,
                confidence=_candidate_confidence(cluster, clusters[chosen], confidence, share),
            )
            for c, cluster, weight in zip(candidates, clusters, choice.weights, strict=True)
        ),
        shares=tuple((s.answer, _share(s, standings)) for s in standings.ranking),
        votes=standing_votes,
    )


def _votes(
    candidates: Sequence[Candidate], clusters: Clusters, chosen: int | None
) -> tuple[float, ...]:
    """The weights of the answers without log-probabilities, that of the chosen one first."""
    standings = standings_of(candidates, clusters, [reliability(c.strategy) for c in candidates])
    ranking = sorted(standings.ranking, key=lambda one: one.cluster != chosen)
    return tuple(one.weight for one in ranking)


def _mean_logprob(candidates: Sequence[Candidate]) -> float | None:
    known = [c.mean_logprob for c in candidates if c.mean_logprob is not None]
    return sum(known) / len(known) if known else None


def _share(standing: Standing, standings: Standings) -> float:
    return standing.weight / standings.weight if standings.weight else 0.0


def _status(votes: int, is_settled: bool, confidence: float) -> Status:
    return "agreed" if is_settled or (votes > 1 and confidence >= AGREED) else "best_effort"


def _candidate_confidence(
    cluster: int | None, chosen: int | None, confidence: float, share: Mapping[int, float]
) -> float:
    if cluster is None:
        return 0.0
    return confidence if cluster == chosen else (1 - confidence) * share[cluster]


def _reasons(
    candidates: Sequence[Candidate], clusters: Clusters, choice: Choice
) -> tuple[str, ...]:
    assert choice.chosen is not None
    standings, runner_up = choice.standings, choice.standings.runner_up
    votes = sum(cluster == clusters[choice.chosen] for cluster in clusters)
    ended = [c for c in candidates if c.finish != "aborted"]
    without = sum(c.answer is None for c in ended)
    reasons = [f"{votes} of {len(ended)} samples give this answer"]
    if choice.is_vote and runner_up is not None:
        reasons.append(
            f"it has {standings.leader_share:.0%} of the vote's weight; next is "
            f"{runner_up.answer[:40]!r} with {_share(runner_up, standings):.0%}"
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
