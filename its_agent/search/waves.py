"""How a search that plans wave by wave is asked and told.

A search is a frozen configuration with one decision of its own, `plan`. The four functions here are
its methods: `ask = waves.ask` in the body of its class, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from its_agent.search.state import Expansion, SearchState, record, within
from its_agent.search.tree import ROOT, StepResult, Tree


class Plan(Protocol):
    """What distinguishes one search from another."""

    @property
    def score_range(self) -> tuple[float, float]:
        """The lowest and the highest score that a step may have."""
        ...

    def plan(self, state: SearchState) -> SearchState:
        """The state with its next wave, given one whose wave is told; no wave means the end."""
        ...


def start(search: Plan) -> SearchState:
    """The state before anything was asked."""
    return search.plan(SearchState(tree=Tree(), frontier=(ROOT,)))


def ask(search: Plan, state: SearchState, room: int | None = None) -> tuple[Expansion, ...]:
    """What to sample now, at most `room` continuations in all; the same until told."""
    return tuple(within(room, state.wave))


def tell(
    search: Plan, state: SearchState, expansion: Expansion, steps: Sequence[StepResult]
) -> SearchState:
    """The state that knows what came back; raises InvalidOption and leaves `state` usable."""
    told = record(state, expansion, steps, search.score_range)
    return told if told.wave else search.plan(told)


def finished(search: Plan, state: SearchState) -> bool:
    """Whether nothing is left to ask."""
    return not state.wave
