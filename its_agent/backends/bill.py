"""What one streamed request brought, and what it cost."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from its_agent.backends.protocol import Delta, Request, Tokens
from its_agent.backends.sample import Sample, Stream
from its_agent.budget import Usage, compute_units
from its_agent.errors import BackendGarbled


class Bill:
    """Adds up one request while it streams."""

    def __init__(
        self, relative_cost: float, request: Request, prompt: int, *, read: bool, exact: bool
    ) -> None:
        """`read` says that the prompt was sent before, `exact` that it was counted and not
        estimated or bounded."""
        self.prompt = prompt
        self.reported: Tokens | None = None
        self.turned_away = False
        self.ended = False
        """The server sent its answer to the end."""
        self._relative_cost = relative_cost
        self._request = request
        self._read_before = read
        self.prompt_is_exact = exact
        """The prompt's tokens are counted."""
        self._started = time.monotonic()
        self._streams = [Stream(stop=request.stop) for _ in range(request.n)]

    def counted(self, prompt: int) -> None:
        """Take the prompt's count, which was not known when the request was sent."""
        self.prompt, self.prompt_is_exact = prompt, True

    @property
    def uncounted(self) -> Mapping[int, str]:
        """What samples have written of which nobody counted the tokens, by their index."""
        if self.reported is not None:
            return {}
        streams = enumerate(self._streams)
        return {i: "".join(s.uncounted) for i, s in streams if s.can_be_tokenized}

    def tokenized(self, index: int, tokens: int) -> None:
        """Take the tokenizer's count of what a sample has written. It stays an estimate."""
        self._streams[index].tokenized(tokens)

    def take(self, delta: Delta) -> Sample | None:
        """Note a piece, and return the sample where the piece ends it.

        Raises BackendGarbled for a sample nobody asked for, and for one longer than its
        `max_tokens`.
        """
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
        if stream.finish is None or already:
            return None
        stream.made = self._sample(stream)
        return stream.made

    def rest_of(self, sample: Sample) -> Usage:
        """What a sample that the engine has ended leaves of its share."""
        unused = self._request.max_tokens - sample.usage.completion_tokens
        return Usage(completion_tokens=unused, compute=math.floor(unused * self._relative_cost))

    @property
    def overrun(self) -> bool:
        """Every sample has ended, and the server goes on."""
        return all(s.ended_by_server or s.runs_on for s in self._streams) and any(
            s.runs_on and not s.ended_by_server for s in self._streams
        )

    @property
    def running(self) -> int:
        """Samples that have not ended."""
        return sum(stream.finish is None for stream in self._streams)

    @property
    def generated(self) -> int:
        """Tokens seen so far."""
        return sum(stream.tokens for stream in self._streams)

    @property
    def unseen(self) -> int:
        """Most tokens that the engine can have made beyond those; 0 where it told its count."""
        if self.reported is not None or self.ended or self._is_free:
            return 0
        limit: int | None = self._request.max_tokens
        if any(stream.tokens > self._request.max_tokens for stream in self._streams):
            limit = None
        return sum(stream.still_to_come(limit) for stream in self._streams)

    @property
    def estimated(self) -> int:
        """Tokens of the price that nobody counted."""
        if self.reported is not None or self._is_free:
            return 0
        prompt = 0 if self.prompt_is_exact else self.prompt
        return prompt + sum(s.tokens for s in self._streams if s.estimated or self.ended)

    @property
    def answered_one(self) -> bool:
        """Several samples were asked for and the server knew only of one."""
        seen = [bool(s.tokens or s.finish) for s in self._streams]
        return self.ended and len(seen) > 1 and seen[0] and not any(seen[1:])

    @property
    def disputes(self) -> tuple[str, ...]:
        """Where the server's count contradicts what was seen; the price follows what was seen."""
        if self.reported is None:
            return ()
        told = self.reported
        said: list[str] = []
        if not self._counted <= told.completion <= self._most:
            said.append(f"{told.completion} generated tokens where {self._counted} were seen")
        if (self.prompt_is_exact and told.prompt != self.prompt) or told.prompt > self.prompt:
            said.append(f"{told.prompt} prompt tokens where {self.prompt} were counted")
        return tuple(f"the server reported {what}" for what in said)

    @property
    def usage(self) -> Usage:
        """The engine's own count where it is possible, else what was seen and what may have
        followed; a request that was turned away before the first token cost none."""
        if self.reported is None:
            prompt = 0 if self._is_free else self.prompt
            return self._priced(prompt, 0, self.generated + self.unseen)
        told = self.reported
        completion = max(min(told.completion, self._most), self._counted)
        prompt = self.prompt
        if not self.prompt_is_exact and 0 < told.prompt < prompt:
            prompt = told.prompt
        return self._priced(prompt, min(self._cached(told), prompt), completion)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples of which anything arrived; the first carries the prompt's price."""
        begun = tuple(self._sample(s) for s in self._streams if s.tokens or s.finish)
        if not begun:
            return ()
        return (replace(begun[0], usage=self._with_prompt(begun[0])), *begun[1:])

    @property
    def _is_free(self) -> bool:
        return self.turned_away and not self.generated

    @property
    def _counted(self) -> int:
        return sum(stream.tokens for stream in self._streams if not stream.estimated)

    @property
    def _most(self) -> int:
        """Most tokens there can be: what an ended sample left of its share was given back."""
        limit = self._request.max_tokens
        return sum(
            s.tokens if s.ended_by_server and not s.estimated else limit for s in self._streams
        )

    def _cached(self, reported: Tokens) -> int:
        # With n > 1 the engine also reports what the samples cached for one another.
        trusted = self._request.n == 1 or self._read_before
        return max(0, reported.cached_prompt) if trusted else 0

    def _priced(self, prompt: int, cached: int, completion: int, *, requests: int = 1) -> Usage:
        return Usage(
            prompt_tokens=prompt,
            cached_prompt_tokens=cached,
            completion_tokens=completion,
            requests=requests,
            seconds=time.monotonic() - self._started,
            compute=compute_units(
                prompt=prompt,
                cached=cached,
                completion=completion,
                relative_cost=self._relative_cost,
            ),
        )

    def _with_prompt(self, sample: Sample) -> Usage:
        whole = self.usage
        return self._priced(
            whole.prompt_tokens, whole.cached_prompt_tokens, sample.usage.completion_tokens
        )

    def _sample(self, stream: Stream) -> Sample:
        made = stream.made
        if made is not None and made.usage.completion_tokens == stream.tokens:
            return made
        return Sample(
            text=stream.text,
            thinking=stream.thinking,
            thinking_tokens=stream.thinking_tokens,
            finish=stream.finish or "aborted",
            usage=self._priced(0, 0, stream.tokens, requests=0),
            logprobs=tuple(stream.logprobs),
            first_top_logprobs=stream.first_top_logprobs,
            confidences=tuple(stream.confidences),
            calls=stream.calls.calls,
        )
