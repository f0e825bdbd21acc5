"""Time in which something goes on: pauses, such as waiting for a person, do not count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Stopwatch:
    """Runs while at least one piece of work does, in any thread; overlapping work counts once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._before = 0.0
        self._since = 0.0
        self._at_work = 0

    def __call__(self) -> float:
        """Seconds of work so far."""
        with self._lock:
            return self._before + (self._clock() - self._since if self._at_work else 0.0)

    @contextmanager
    def running(self) -> Generator[None]:
        """Count the time of a piece of work."""
        with self._lock:
            self._since = self._since if self._at_work else self._clock()
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1
                if not self._at_work:
                    self._before += self._clock() - self._since
