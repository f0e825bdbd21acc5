"""One sample: as it comes, and as it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from its_agent.backends.protocol import Delta
from its_agent.backends.token_confidence import token_confidence
from its_agent.budget import Usage
from its_agent.solution import Finish
from its_agent.tool_calls import CallReader, ToolCall

ABORT_LAG = 8
"""Tokens that an engine may still make of a sample after the last piece that was seen of it: an
abort takes effect at a step's end. A piece of the largest size seen comes on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample as it came, finished or not."""

    text: str
    thinking: str = ""
    """What the server kept apart as thinking."""
    thinking_tokens: int = 0
    """Tokens of that thinking, as far as the stream told; they are among those of the usage."""
    finish: Finish
    usage: Usage
    logprobs: tuple[float, ...]
    first_top_logprobs: dict[str, float]
    """Alternatives to the first token."""
    confidences: tuple[float, ...] = ()
    """Confidence of each token, where the request asked for alternatives."""
    calls: tuple[ToolCall, ...] = ()
    """What it asks its tools for."""

    @property
    def mean_logprob(self) -> float | None:
        """Mean log-probability of the generated tokens, where the backend tells it."""
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else None


@dataclass(slots=True, kw_only=True)
class Stream:
    """What has arrived of one sample. Its text ends with the first stop string, whether or not the
    server obeys."""

    stop: tuple[str, ...] = ()
    text: str = ""
    thinking: str = ""
    thinking_tokens: int = 0
    logprobs: list[float] = field(default_factory=list[float])
    first_top_logprobs: dict[str, float] = field(default_factory=dict[str, float])
    confidences: list[float] = field(default_factory=list[float])
    tokens: int = 0
    estimated: bool = False
    uncounted: list[str] = field(default_factory=list[str])
    """The pieces that came without a count."""
    partly_counted: bool = False
    largest_piece: int = 0
    finish: Literal["stop", "length"] | None = None
    ended_by_server: bool = False
    calls: CallReader = field(default_factory=CallReader)
    runs_on: bool = False
    """The server went on after the stop string."""
    made: Sample | None = None
    """The sample as it ended."""

    def take(self, delta: Delta) -> None:
        if not self.logprobs and delta.top_logprobs:
            self.first_top_logprobs = dict(delta.top_logprobs[0])
        self.largest_piece = max(self.largest_piece, delta.tokens - self.tokens)
        if delta.estimated:
            self.uncounted.append(delta.text)
        elif delta.tokens > self.tokens:
            self.partly_counted = True
        if delta.thinking and self.finish is None:
            self.thinking += delta.thinking
            self.thinking_tokens += delta.tokens - self.tokens
        self.tokens = delta.tokens
        self.estimated = self.estimated or delta.estimated
        self.ended_by_server = self.ended_by_server or delta.finish is not None
        if self.finish is not None:
            self.runs_on = self.runs_on or bool(delta.text)
            return
        self.calls.take(delta.calls)
        self.logprobs.extend(delta.logprobs)
        self.confidences.extend(delta.confidences)
        self.confidences.extend(
            token_confidence(alternatives.values())
            for alternatives in delta.top_logprobs
            if len(alternatives) > 1
        )
        self._append(delta.text)
        self.finish = self.finish or delta.finish

    def _append(self, piece: str) -> None:
        seen = len(self.text)
        self.text += piece
        for stop in self.stop:
            found = self.text.find(stop, max(0, seen - len(stop) + 1))
            if found >= 0:
                self.text, self.finish = self.text[: found + len(stop)], "stop"

    @property
    def can_be_tokenized(self) -> bool:
        """Nobody counted what was written, and all of it was seen: what marks thinking and calls
        is not."""
        seen_whole = not (self.thinking or self.calls.calls or self.partly_counted)
        return bool(self.uncounted) and seen_whole

    def tokenized(self, tokens: int) -> None:
        """Lower the estimate to the tokenizer's count of what was written, to which the end of a
        turn adds one. A model may split a text more finely than its tokenizer; no piece is less
        than a token."""
        ended = self.ended_by_server and self.finish == "stop"
        self.tokens = min(self.tokens, max(tokens + ended, len(self.uncounted)))

    def still_to_come(self, max_tokens: int | None) -> int:
        """Most tokens that the engine can have made and that were not seen; None where it does not
        keep to a limit."""
        if self.ended_by_server:
            return 0
        lag = ABORT_LAG + self.largest_piece
        return lag if max_tokens is None else min(lag, max_tokens - self.tokens)
