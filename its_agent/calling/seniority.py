"""Who goes on where what is left does not pay for all: those that began first, each to its end."""

from __future__ import annotations

import asyncio
import math

from its_agent.budget import Usage
from its_agent.ledger import Ledger

AHEAD = 3
"""Turns that an attempt is taken to need yet, as nobody knows."""


class Seniority:
    """Attempts by their numbers, and what the next turn of each may cost.

    Many attempts that get halfway are worth nothing, where a few that get to their ends have a
    vote. Waiting costs no compute: who waits goes on with what is left.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._claims: dict[int, Usage] = {}
        self._moved = asyncio.Event()

    def claim(self, number: int, cost: Usage) -> None:
        """Have an attempt that goes on respected by those after it."""
        self._claims[number] = cost

    def leave(self, number: int) -> None:
        """An attempt has come to its end."""
        del self._claims[number]
        self._moved.set()

    async def turn(self, number: int, cost: Usage) -> None:
        """Wait until what is left pays for this beside what those before claim, or until there is
        nobody before."""
        self.claim(number, cost)
        while self._is_behind(number, cost):
            self._moved.clear()
            await self._moved.wait()

    def _is_behind(self, number: int, cost: Usage) -> bool:
        before = [_to_its_end(claim) for other, claim in self._claims.items() if other < number]
        return bool(before) and self._ledger.shortfall(sum(before, cost)) is not None


def _to_its_end(turn: Usage) -> Usage:
    """What the turns after one that costs this may cost: each also reads what the one before said,
    so that they grow by as much."""
    said = turn.completion_tokens / max(1, turn.prompt_tokens + turn.completion_tokens)
    grown = AHEAD * (AHEAD + 1) // 2
    more = Usage(
        prompt_tokens=grown * turn.completion_tokens,
        compute=math.ceil(grown * turn.compute * said),
    )
    return sum([turn] * AHEAD, more)
