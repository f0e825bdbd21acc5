"""Strengths from pairwise preferences: the Bradley-Terry model, fitted by the MM algorithm of
Hunter (Annals of Statistics 32, 2004, equation 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from its_agent.errors import InvalidOption

_ROUNDS = 10_000
_PRECISION = 1e-12


def bradley_terry(wins: Sequence[Sequence[float]], prior: float = 0.0) -> list[float]:
    """Strengths p with P(i beats j) = p_i / (p_i + p_j), their geometric mean 1.

    `wins[i][j]` is how often i was preferred to j, parts of a win included. `prior` wins and as
    many losses against one of strength 1 are added to everyone's. Raises InvalidOption for a
    matrix that is not square, or has an entry that is negative or not finite; and without a prior
    where some were never preferred to any of the others, as no finite strengths fit then.
    """
    _check(wins, prior)
    strengths = [1.0] * len(wins)
    for _ in range(_ROUNDS):
        fitted = [_fitted(i, wins, strengths, prior) for i in range(len(wins))]
        if not prior:
            fitted = _normalised(fitted)
        moved = max((abs(a / b - 1) for a, b in zip(fitted, strengths, strict=True)), default=0.0)
        strengths = fitted
        if moved < _PRECISION:
            break
    return _normalised(strengths)


def _fitted(
    i: int, wins: Sequence[Sequence[float]], strengths: Sequence[float], prior: float
) -> float:
    """W_i / Σ n_ij / (p_i + p_j)."""
    met = math.fsum(
        (wins[i][j] + wins[j][i]) / (strengths[i] + strengths[j])
        for j in range(len(wins))
        if j != i
    )
    won = math.fsum(wins[i][j] for j in range(len(wins)) if j != i)
    games = met + 2 * prior / (strengths[i] + 1)
    return (won + prior) / games if games else 1.0


def _normalised(strengths: Sequence[float]) -> list[float]:
    centre = math.fsum(math.log(p) for p in strengths) / max(1, len(strengths))
    return [p / math.exp(centre) for p in strengths]


def _check(wins: Sequence[Sequence[float]], prior: float) -> None:
    if any(len(row) != len(wins) for row in wins):
        raise InvalidOption("the matrix of wins is not square")
    if not all(math.isfinite(one) and one >= 0 for row in wins for one in (*row, prior)):
        raise InvalidOption("wins and prior are to be finite numbers of at least 0")
    if prior == 0 and not _is_connected(wins):
        raise InvalidOption(
            "no finite strengths fit: some were never preferred to any of the others; "
            "give a prior above 0"
        )


def _is_connected(wins: Sequence[Sequence[float]]) -> bool:
    """Whether a chain of wins leads from the first to everyone, and from everyone to it."""
    return not wins or all(
        len(_reached(wins, forwards=forwards)) == len(wins) for forwards in (True, False)
    )


def _reached(wins: Sequence[Sequence[float]], *, forwards: bool) -> set[int]:
    reached, new = {0}, [0]
    while new:
        i = new.pop()
        for j in range(len(wins)):
            if j not in reached and (wins[i][j] if forwards else wins[j][i]) > 0:
                reached.add(j)
                new.append(j)
    return reached
