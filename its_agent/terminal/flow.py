"""What is being generated right now: samples in flight and tokens a second."""

from __future__ import annotations

from collections import deque

from its_agent.events import Event, Generating, Spent

_WINDOW_SECONDS = 5.0
_LEAST_SECONDS = 0.5


class Flow:
    """Adds up the requests that run side by side.

    Events do not name their request, so each is taken for the next one of the most similar
    request: the same purpose, as many samples running, no fewer tokens.
    """

    def __init__(self) -> None:
        self._requests: list[Generating] = []
        self._marks: deque[tuple[float, int]] = deque()

    @property
    def running(self) -> int:
        """Samples that are being generated."""
        return sum(request.running for request in self._requests)

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
            self._advance(event)
        elif isinstance(event, Spent):
            self._end(event)
        else:
            return
        tokens = event.spent.completion_tokens + sum(one.tokens for one in self._requests)
        self._marks.append((event.elapsed, tokens))
        while event.elapsed - self._marks[0][0] > _WINDOW_SECONDS:
            self._marks.popleft()

    def _advance(self, event: Generating) -> None:
        earlier = [
            one
            for one in self._requests
            if (one.purpose == event.purpose)
            and one.tokens <= event.tokens
            and one.running >= event.running
        ]
        if earlier:
            likeliest = max(earlier, key=lambda one: (one.running == event.running, one.tokens))
            self._requests.remove(likeliest)
        self._requests.append(event)

    def _end(self, event: Spent) -> None:
        own = [one for one in self._requests if one.purpose == event.purpose]
        if own:
            ended = event.usage.completion_tokens
            self._requests.remove(min(own, key=lambda one: abs(one.tokens - ended)))
