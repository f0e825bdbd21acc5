"""What is being generated right now: samples in flight and tokens a second."""

from __future__ import annotations

from collections import deque

from its_agent.events import Event, Generating, Spent

_WINDOW_SECONDS = 5.0
_LEAST_SECONDS = 0.5


class Flow:
    """Adds up the requests that run side by side."""

    def __init__(self) -> None:
        self._requests: dict[int, Generating] = {}
        self._marks: deque[tuple[float, int]] = deque()

    @property
    def running(self) -> int:
        """Samples that are being generated."""
        return sum(request.running for request in self._requests.values())

    @property
    def rate(self) -> float | None:
        """Tokens a second over the last few seconds; None until there is enough to tell."""
        if not self._marks:
            return None
        (began, first), (ended, last) = self._marks[0], self._marks[-1]
        return (last - first) / (ended - began) if ended - began >= _LEAST_SECONDS else None

    def note(self, event: Event) -> None:
        """Take an event into account."""
        if isinstance(event, Generating):
            self._requests[event.request] = event
        elif isinstance(event, Spent) and event.request is not None:
            self._requests.pop(event.request, None)
        else:
            return
        running = sum(one.tokens for one in self._requests.values())
        self._marks.append((event.elapsed, event.spent.completion_tokens + running))
        while event.elapsed - self._marks[0][0] > _WINDOW_SECONDS:
            self._marks.popleft()
