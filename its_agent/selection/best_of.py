"""The best-scored candidate, alone or among the most frequent answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from its_agent.errors import InvalidOption


def best_of(scores: Sequence[float | None]) -> int | None:
    """Index of the highest score, the earliest on a tie; None when nothing is scored."""
    scored = [(score, -index) for index, score in enumerate(scores) if _is_score(score)]
    return -max(scored, key=lambda pair: (pair[0] or 0.0, pair[1]))[1] if scored else None


def best_of_majority(
    clusters: Sequence[int | None], scores: Sequence[float | None], *, frequency: float
) -> int | None:
    """Best-of-majority with k = 1 (arXiv 2510.03199): votes make the shortlist, scores decide.

    `clusters` holds each candidate's cluster of equal answers, None for a missing answer.
    Clusters with at least `frequency` of the votes, or the largest where none has, form the
    shortlist; the best-scored candidate in it wins, or its first where nothing is scored.
    Returns an index; None when nobody answered.
    """
    if not 0 <= frequency <= 1:
        raise InvalidOption(f"frequency {frequency!r}; allowed: a share from 0 to 1")
    shortlist = _shortlist(clusters, frequency)
    members = [index for index, cluster in enumerate(clusters) if cluster in shortlist]
    if not members:
        return None
    winner = best_of([scores[index] for index in members])
    return members[winner or 0]


def _shortlist(clusters: Sequence[int | None], frequency: float) -> set[int]:
    cast = [cluster for cluster in clusters if cluster is not None]
    counts = {cluster: cast.count(cluster) for cluster in cast}
    needed = min(max(counts.values(), default=0), frequency * len(cast))
    return {cluster for cluster, count in counts.items() if count >= needed}


def _is_score(score: float | None) -> bool:
    return score is not None and not math.isnan(score)
