"""When a vote is settled: the chance that the leader would still lead with endless samples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from its_agent.errors import InvalidOption
from its_agent.selection.votes import Standings

_STEPS = 10_000
_PRECISION = 1e-15
_TINY = 1e-300
_LEADS_KEPT = 1_024


def settled(standings: Standings, confidence: float = 0.95) -> bool:
    """Whether the leader's Beta lead over the runner-up reaches `confidence`."""
    if not 0.5 <= confidence < 1:
        raise InvalidOption(f"confidence {confidence!r}; allowed: at least 0.5 and below 1")
    return standing_lead(standings) >= confidence


def decided(votes: Iterable[float], running: float, confidence: float = 0.95) -> bool:
    """Whether a vote stands at `confidence` even if all the weight still `running` goes to the
    runner-up; `votes` are the weights of the answers so far."""
    ranked = sorted(votes, reverse=True)
    if not ranked:
        return False
    runner_up = ranked[1] if len(ranked) > 1 else 0.0
    return beta_lead(ranked[0], runner_up + running) >= confidence


def standing_lead(standings: Standings) -> float:
    """The Beta lead of the leader over the runner-up; 0.5 when nobody voted."""
    leader, runner_up = standings.leader, standings.runner_up
    return beta_lead(
        leader.weight if leader else 0.0,
        runner_up.weight if runner_up else 0.0,
    )


@lru_cache(maxsize=_LEADS_KEPT)
def beta_lead(v1: float, v2: float) -> float:
    """P(p1 > 1/2 | Beta(v1 + 1, v2 + 1)) for real votes (Adaptive-Consistency, 2305.11860)."""
    if not (v1 >= 0 and v2 >= 0 and math.isfinite(v1 + v2)):
        raise InvalidOption(f"votes {v1!r} and {v2!r}; allowed: finite numbers of at least 0")
    return regularised_beta(0.5, v2 + 1, v1 + 1)


def regularised_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for 0 < x < 1 and positive a, b."""
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _lower_tail(1 - x, b, a)
    return _lower_tail(x, a, b)


def _lower_tail(x: float, a: float, b: float) -> float:
    """I_x(a, b) where the continued fraction converges fast: x below the mean."""
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return math.exp(log_front) / (a * _continued_fraction(x, a, b))


def _continued_fraction(x: float, a: float, b: float) -> float:
    """The denominator of DLMF 8.17.22, by the modified Lentz method."""
    value, upper, lower = 1.0, 1.0, 0.0
    for step in range(1, _STEPS):
        term = _coefficient(step, x, a, b)
        lower = 1.0 / ((1.0 + term * lower) or _TINY)
        upper = (1.0 + term / upper) or _TINY
        value *= upper * lower
        if abs(upper * lower - 1.0) < _PRECISION:
            break
    return value


def _coefficient(step: int, x: float, a: float, b: float) -> float:
    half = step // 2
    if step % 2:
        return -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
    return half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
