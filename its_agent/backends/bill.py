"""What one streamed request brought, and what it cost."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from its_agent.backends.protocol import Delta, Request, Tokens
from its_agent.budget import Usage, compute_units
from its_agent.errors import BackendGarbled
from its_agent.solution import Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample as it came, finished or not."""

    text: str
    finish: Finish
    usage: Usage
    logprobs: tuple[float, ...]
    first_top_logprobs: dict[str, float]
    """Alternatives to the first token."""

    @property
    def mean_logprob(self) -> float | None:
        """Mean log-probability of the generated tokens, where the backend tells it."""
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else None


@dataclass(slots=True, kw_only=True)
class Stream:
    """What has arrived of one sample."""

    parts: list[str] = field(default_factory=list[str])
    logprobs: list[float] = field(default_factory=list[float])
    first_top_logprobs: dict[str, float] = field(default_factory=dict[str, float])
    tokens: int = 0
    finish: Literal["stop", "length"] | None = None

    def take(self, delta: Delta) -> None:
        if not self.logprobs and delta.top_logprobs:
            self.first_top_logprobs = dict(delta.top_logprobs[0])
        self.parts.append(delta.text)
        self.logprobs.extend(delta.logprobs)
        self.tokens = delta.tokens
        self.finish = delta.finish or self.finish


class Bill:
    """Adds up one request while it streams."""

    def __init__(self, relative_cost: float, request: Request, prompt: int, read: bool) -> None:
        self.prompt = prompt
        self.reported: Tokens | None = None
        self.turned_away = False
        self._relative_cost = relative_cost
        self._request = request
        self._read_before = read
        self._started = time.monotonic()
        self._streams = [Stream() for _ in range(request.n)]

    def take(self, delta: Delta) -> bool:
        """Note a piece; true where it ends its sample. Raises BackendGarbled for a sample nobody
        asked for, and for one longer than its `max_tokens`."""
        if not 0 <= delta.index < len(self._streams):
            raise BackendGarbled(
                f"the server sent choice {delta.index} of a request for {self._request.n}"
            )
        stream = self._streams[delta.index]
        already = stream.finish is not None
        stream.take(delta)
        if stream.tokens > self._request.max_tokens:
            raise BackendGarbled(
                f"the server went on after max_tokens={self._request.max_tokens}: "
                f"{stream.tokens} tokens; the request was closed"
            )
        return stream.finish is not None and not already

    def rest_of(self, delta: Delta) -> Usage:
        """What a finished sample leaves of its share."""
        unused = self._request.max_tokens - delta.tokens
        return Usage(completion_tokens=unused, compute=math.floor(unused * self._relative_cost))

    @property
    def running(self) -> int:
        return sum(stream.finish is None for stream in self._streams)

    @property
    def generated(self) -> int:
        return sum(stream.tokens for stream in self._streams)

    @property
    def usage(self) -> Usage:
        """The engine's own count where it arrived, else what was streamed and the whole prompt.

        A request that the server turned away before the first token cost no tokens.
        """
        if self.reported is None:
            free = self.turned_away and not self.generated
            return self._priced(0 if free else self.prompt, 0, self.generated)
        return self._priced(
            self.reported.prompt, self._cached(self.reported), self.reported.completion
        )

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples of which anything arrived; the first carries the prompt's price."""
        started = [s for s in self._streams if s.tokens or s.finish]
        return tuple(self._sample(s, first=s is started[0]) for s in started)

    def _cached(self, reported: Tokens) -> int:
        # With n > 1 the engine also reports what the samples cached for one another.
        trusted = self._request.n == 1 or self._read_before
        return reported.cached_prompt if trusted else 0

    def _priced(self, prompt: int, cached: int, completion: int) -> Usage:
        return Usage(
            prompt_tokens=prompt,
            cached_prompt_tokens=cached,
            completion_tokens=completion,
            requests=1,
            seconds=time.monotonic() - self._started,
            compute=compute_units(
                prompt=prompt,
                cached=cached,
                completion=completion,
                relative_cost=self._relative_cost,
            ),
        )

    def _sample(self, stream: Stream, *, first: bool) -> Sample:
        whole = self.usage
        prompt, cached = (whole.prompt_tokens, whole.cached_prompt_tokens) if first else (0, 0)
        usage = replace(self._priced(prompt, cached, stream.tokens), requests=int(first))
        return Sample(
            text="".join(stream.parts),
            finish=stream.finish or "aborted",
            usage=usage,
            logprobs=tuple(stream.logprobs),
            first_top_logprobs=stream.first_top_logprobs,
        )
