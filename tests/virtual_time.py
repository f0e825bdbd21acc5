"""An event loop whose clock jumps to the next timer: hours of waiting take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


_LEAST_STEP = 1e-6
"""Seconds that a clock of this many digits can still count after months."""


class _Skipping(selectors.SelectSelector):
    """Never waits for a timer: moves the clock instead, and nothing else moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else 0.01)
        if not ready and timeout:
            self.skipped += max(timeout, _LEAST_STEP)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Counts skipped waits as time that has passed."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.skipped

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run it here and now: the clock would not wait for another thread."""
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
