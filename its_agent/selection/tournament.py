"""Tournaments among candidates as ask/tell: pairs to compare go out, preferences come back.

Candidates are numbered by their seeding, the best first, such as the order of a vote. It decides
ties, and what no comparison could decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from its_agent.errors import InvalidOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A comparison: whether `first`, which is shown first, is better than `second`."""

    first: int
    second: int
    number: int = 0
    """Tells repeated comparisons of the same two apart."""

    @property
    def players(self) -> tuple[int, int]:
        """The two, the better seed first."""
        return min(self.first, self.second), max(self.first, self.second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a comparison."""

    pair: Pair
    preference: float | None
    """Probability that the first is better, from 0 to 1; None where it failed twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TournamentState:
    """Where a tournament stands: a value that the caller owns."""

    entrants: int
    wave: tuple[Pair, ...] = ()
    """What is still to be told."""
    failed: tuple[Pair, ...] = ()
    """Comparisons that failed once, and are asked again."""
    told: tuple[Told, ...] = ()
    standing: tuple[int, ...] = ()
    """Who is still in, in the order of the draw."""
    out: tuple[int, ...] = ()
    """Who is not, the first to go first."""

    @property
    def by_seeding(self) -> tuple[tuple[int, int], ...]:
        """The pairs of which every comparison failed: the better seed, the first, was let win."""
        decided = {one.pair.players for one in self.told if one.preference is not None}
        known = decided | {pair.players for pair in self.wave}
        lost = [one.pair.players for one in self.told if one.pair.players not in known]
        return tuple(dict.fromkeys(lost))


class Tournament(Protocol):
    """A way to find the best by comparing two at a time; configuration without a memory."""

    def start(self, entrants: int) -> TournamentState:
        """The state before anything was asked. Raises InvalidOption without entrants."""
        ...

    def ask(self, state: TournamentState) -> tuple[Pair, ...]:
        """What to compare now, all of it side by side; the same until told."""
        ...

    def tell(self, state: TournamentState, pair: Pair, preference: float | None) -> TournamentState:
        """The state that knows how far the first of the pair is preferred, from 0 to 1, or that
        the comparison failed (None): it is asked once more, and never counts as a half. Raises
        InvalidOption, and leaves `state` usable, for a pair that is not open."""
        ...

    def finished(self, state: TournamentState) -> bool:
        """Whether nothing is left to ask."""
        ...

    def ranking(self, state: TournamentState) -> tuple[int, ...]:
        """All entrants, the best first, as far as is known."""
        ...


def comparisons_of(one: int, other: int, times: int) -> tuple[Pair, ...]:
    """So many comparisons of two, each in turn shown first: judges favour a place."""
    return tuple(
        Pair(first=other if number % 2 else one, second=one if number % 2 else other, number=number)
        for number in range(times)
    )


def record(state: TournamentState, pair: Pair, preference: float | None) -> TournamentState:
    """The state with what came of an open pair; see `Tournament.tell`."""
    if pair not in state.wave:
        raise InvalidOption(f"{pair} is not open; tell each comparison once, after it was asked")
    if preference is not None and not 0 <= preference <= 1:
        raise InvalidOption(f"preference {preference!r}; allowed: 0 to 1, or None for a failure")
    if preference is None and pair not in state.failed:
        return replace(state, failed=(*state.failed, pair))
    return replace(
        state,
        wave=tuple(one for one in state.wave if one != pair),
        told=(*state.told, Told(pair=pair, preference=preference)),
    )


def outcome(state: TournamentState, one: int, other: int) -> float:
    """How far `one` is preferred to `other`: the mean of what was told of them in either order, or,
    where every comparison failed, 1 for the better seed and 0 for the other."""
    preferences = [
        told.preference if told.pair.first == one else 1 - told.preference
        for told in state.told
        if {one, other} == {*told.pair.players} and told.preference is not None
    ]
    return math.fsum(preferences) / len(preferences) if preferences else float(one < other)


def winner(state: TournamentState, one: int, other: int) -> int:
    """Who of the two is preferred; the better seed on a tie."""
    better, worse = min(one, other), max(one, other)
    return better if outcome(state, better, worse) >= 0.5 else worse


def wins(state: TournamentState) -> list[list[float]]:
    """The matrix of wins, whose row i and column j add up how far i was preferred to j; failed
    comparisons do not count. `bradley_terry` reads it."""
    table = [[0.0] * state.entrants for _ in range(state.entrants)]
    for told in state.told:
        if told.preference is not None:
            table[told.pair.first][told.pair.second] += told.preference
            table[told.pair.second][told.pair.first] += 1 - told.preference
    return table


def at_least_one(**options: int) -> None:
    """Raise InvalidOption for the first option below 1."""
    for name, value in options.items():
        if value < 1:
            raise InvalidOption(f"{name}={value} is not allowed; give 1 or more")


def ranked(state: TournamentState, standing: Sequence[int]) -> tuple[int, ...]:
    """Who is still in, in that order, and then who went last."""
    return (*standing, *reversed(state.out))
