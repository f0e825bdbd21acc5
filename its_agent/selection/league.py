"""A league: candidates rank by their average win rate (arXiv 2411.19477, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from its_agent.selection.tournament import (
    Pair,
    TournamentState,
    at_least_one,
    outcome,
    ranked,
    record,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class League:
    """Each candidate meets the next `opponents` on a circle drawn by `seed`, or all others where
    they are fewer: N·K comparisons in one wave, each candidate shown first as often as second.

    A candidate's win rate is over all whom it met, those that met it included.
    """

    opponents: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        at_least_one(opponents=self.opponents)

    def start(self, entrants: int) -> TournamentState:
        """The state before anything was asked. Raises InvalidOption without entrants."""
        at_least_one(entrants=entrants)
        circle = Random(self.seed).sample(range(entrants), entrants)
        wave = [
            Pair(first=one, second=circle[(place + away) % entrants])
            for away in range(1, 1 + min(self.opponents, entrants - 1))
            for place, one in enumerate(circle)
        ]
        return TournamentState(entrants=entrants, wave=tuple(wave), standing=tuple(circle))

    def ask(self, state: TournamentState) -> tuple[Pair, ...]:
        """All comparisons that are still to be told."""
        return state.wave

    def tell(self, state: TournamentState, pair: Pair, preference: float | None) -> TournamentState:
        """The state that knows."""
        return record(state, pair, preference)

    def finished(self, state: TournamentState) -> bool:
        """Whether all have met whom they were to meet."""
        return not state.wave

    def ranking(self, state: TournamentState) -> tuple[int, ...]:
        """By win rate, ties by seeding; who has met nobody yet comes last."""
        return ranked(state, sorted(state.standing, key=lambda one: (-_rate(state, one), one)))


def win_rate(state: TournamentState, one: int) -> float | None:
    """The mean outcome against all whom a candidate has met; None where it has met nobody."""
    met = {other for told in state.told if one in told.pair.players for other in told.pair.players}
    others = met - {one}
    if not others:
        return None
    return math.fsum(outcome(state, one, other) for other in others) / len(others)


def _rate(state: TournamentState, one: int) -> float:
    rate = win_rate(state, one)
    return -math.inf if rate is None else rate
