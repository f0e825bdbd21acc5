"""How often something may be done in any minute."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

MINUTE = 60.0


class Rate:
    """At most `most` times in any 60 seconds."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._taken: deque[float] = deque()

    def take(self) -> int | None:
        """Take one of the places; where there is none, the whole seconds until the next."""
        now = self._clock()
        while self._taken and now - self._taken[0] >= MINUTE:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return max(1, math.ceil(self._taken[0] + MINUTE - now))
        self._taken.append(now)
        return None
