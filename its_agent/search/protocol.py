"""What a search algorithm is: configuration that turns a state into requests and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from its_agent.search.state import Expansion, SearchState
from its_agent.search.tree import StepResult


class Search(Protocol):
    """An algorithm without a memory of its own; the caller owns the state."""

    def start(self) -> SearchState:
        """The state before anything was asked."""
        ...

    def ask(self, state: SearchState, room: int | None = None) -> tuple[Expansion, ...]:
        """What to sample now, at most `room` continuations in all; the same until told."""
        ...

    def tell(
        self, state: SearchState, expansion: Expansion, steps: Sequence[StepResult]
    ) -> SearchState:
        """The state that knows what came back; raises InvalidOption and leaves `state` usable.

        Expansions may be told in any order. Fewer steps than asked for, or none, mean that the
        others failed; to hand in a part and keep the rest open, tell a narrower expansion.
        """
        ...

    def finished(self, state: SearchState) -> bool:
        """Whether nothing is left to ask."""
        ...
