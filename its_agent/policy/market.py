"""One price of compute for many solves: it is bought wherever it brings most."""

from __future__ import annotations

import math

from its_agent.errors import InvalidOption
from its_agent.policy.value import PRICE

RATE = 0.25
"""How fast the price follows: by this power of what solves cost beside what they may."""
MEMORY = 0.8
"""Weight of what is known when a solve ends, in the running mean of their costs."""
RESERVED = 0.5
"""Part of its even share that is kept for a problem that waits."""


class Market:
    """The price of a compute unit, in chance to be right, for solves that share their means.

    Easy problems end early and leave what they save to the others: the price falls as long as
    solves cost less than what is there for each, and rises else (dual ascent on the constraint
    that they cost so much on average). With `total` for `problems` what is there is what is left of
    it; with `per_problem` alone it is that, for traffic that does not end. Owned by one event loop.
    Raises InvalidOption.
    """

    def __init__(
        self,
        *,
        total: int | None = None,
        problems: int | None = None,
        per_problem: float | None = None,
    ) -> None:
        has_total, has_share = total is not None, per_problem is not None
        if has_total == has_share or has_total != (problems is not None):
            raise InvalidOption("a market has either a total for a number of problems, or a share")
        self._left = total
        self._waiting = problems or 0
        self._share = per_problem if total is None else total / max(1, self._waiting)
        assert self._share is not None
        if self._share <= 0:
            raise InvalidOption(f"a market needs compute to sell, got {self._share:g} a problem")
        self._cost = self._share
        self.price = PRICE / self._share
        """Chance to be right that a compute unit has to bring."""

    @property
    def share(self) -> float:
        """Compute units that are there for each problem that has not ended."""
        if self._left is None or self._waiting == 0:
            assert self._share is not None
            return self._share
        return max(1.0, self._left / self._waiting)

    def allowance(self, waiting: int) -> int | None:
        """Most that a solve may take while others wait that have not begun; None for no limit."""
        if self._left is None:
            return None
        return max(1, int(self._left - waiting * RESERVED * self.share))

    def ended(self, compute: int) -> None:
        """Take note of what a solve has cost."""
        if self._left is not None:
            self._left -= compute
            self._waiting -= 1
        self._cost = MEMORY * self._cost + (1 - MEMORY) * compute
        excess = min(2.0, max(-1.0, self._cost / self.share - 1))
        self.price *= math.exp(RATE * excess)
