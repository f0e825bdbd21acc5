"""A pivot tournament: all against one, then those who beat it among themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from its_agent.selection.knockout import advanced, drawn
from its_agent.selection.tournament import (
    Pair,
    TournamentState,
    at_least_one,
    comparisons_of,
    outcome,
    ranked,
    record,
    winner,
)

PIVOT = 0
"""The best seed: most are likely to lose to it, and need no second comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pivot:
    """Everyone is compared with the best seed `comparisons` times, both in turn first; the W that
    beat it play off in a knockout in the order of their seeding, and the pivot wins where W = 0.

    Takes (N − 1)·K comparisons in one wave, and (W − 1)·K more: a linear stand-in for a round
    robin, of no one paper.
    """

    comparisons: int = 2

    def __post_init__(self) -> None:
        at_least_one(comparisons=self.comparisons)

    def start(self, entrants: int) -> TournamentState:
        """The state before anything was asked. Raises InvalidOption without entrants."""
        at_least_one(entrants=entrants)
        wave = [
            pair
            for other in range(1, entrants)
            for pair in comparisons_of(PIVOT, other, self.comparisons)
        ]
        standing = tuple(range(entrants))
        return TournamentState(entrants=entrants, wave=tuple(wave), standing=standing)

    def ask(self, state: TournamentState) -> tuple[Pair, ...]:
        """The wave's comparisons that are still to be told."""
        return state.wave

    def tell(self, state: TournamentState, pair: Pair, preference: float | None) -> TournamentState:
        """The state that knows; after the last of a wave, with the next drawn."""
        told = record(state, pair, preference)
        if told.wave:
            return told
        return drawn(advanced(told) if told.out else _qualified(told), self.comparisons)

    def finished(self, state: TournamentState) -> bool:
        """Whether one is left."""
        return not state.wave

    def ranking(self, state: TournamentState) -> tuple[int, ...]:
        """By the round of the play-off, then the pivot, then by how far the pivot was preferred."""
        return ranked(state, sorted(state.standing))


def _qualified(state: TournamentState) -> TournamentState:
    others = [one for one in state.standing if one != PIVOT]
    beat = tuple(one for one in others if winner(state, PIVOT, one) == one)
    lost = [one for one in others if one not in beat]
    lost.sort(key=lambda one: (outcome(state, one, PIVOT), -one))
    if not beat:
        return replace(state, standing=(PIVOT,), out=tuple(lost))
    return replace(state, standing=beat, out=(*lost, PIVOT))
