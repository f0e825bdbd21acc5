"""A knockout: the winner of each pair goes on (arXiv 2411.19477, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from its_agent.selection.tournament import (
    Pair,
    TournamentState,
    at_least_one,
    comparisons_of,
    ranked,
    record,
    winner,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knockout:
    """Pairs drawn by `seed` are compared `comparisons` times each, both in turn first, and the one
    that is preferred on average goes on: (N − 1)·K comparisons for N entrants, in ⌈log2 N⌉ waves.

    Of an odd number the last has a bye, and plays first in the next round.
    """

    comparisons: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        at_least_one(comparisons=self.comparisons)

    def start(self, entrants: int) -> TournamentState:
        """The state before anything was asked. Raises InvalidOption without entrants."""
        at_least_one(entrants=entrants)
        order = Random(self.seed).sample(range(entrants), entrants)
        return drawn(TournamentState(entrants=entrants, standing=tuple(order)), self.comparisons)

    def ask(self, state: TournamentState) -> tuple[Pair, ...]:
        """The round's comparisons that are still to be told."""
        return state.wave

    def tell(self, state: TournamentState, pair: Pair, preference: float | None) -> TournamentState:
        """The state that knows; after the last of a round, with the next round drawn."""
        told = record(state, pair, preference)
        return told if told.wave else drawn(advanced(told), self.comparisons)

    def finished(self, state: TournamentState) -> bool:
        """Whether one is left."""
        return not state.wave

    def ranking(self, state: TournamentState) -> tuple[int, ...]:
        """By the round that each came to; within a round by seeding."""
        return ranked(state, sorted(state.standing))


def drawn(state: TournamentState, comparisons: int) -> TournamentState:
    """The round of who stands: neighbours meet."""
    wave = [pair for match in _matches(state) for pair in comparisons_of(*match, comparisons)]
    return replace(state, wave=tuple(wave))


def advanced(state: TournamentState) -> TournamentState:
    """The state after a round: winners stand, losers are out, a bye stands first."""
    winners = [winner(state, *match) for match in _matches(state)]
    bye = state.standing[-1:] if len(state.standing) % 2 else ()
    losers = {*state.standing} - {*winners, *bye}
    return replace(
        state,
        standing=(*bye, *winners),
        out=(*state.out, *sorted(losers, reverse=True)),
    )


def _matches(state: TournamentState) -> Iterator[tuple[int, int]]:
    return zip(state.standing[::2], state.standing[1::2], strict=False)
