"""A backend that says what a script tells it to, and keeps the counters of a real engine."""

from __future__ import annotations

import asyncio
import heapq
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Literal, TypeAlias

from its_agent.backends.protocol import (
    ALL_CAPABILITIES,
    Capability,
    Delta,
    Offer,
    Request,
    StreamItem,
    Tokens,
)
from its_agent.errors import BackendError, InvalidOption, ScriptExhausted
from its_agent.receipt import Fingerprint
from its_agent.tool_calls import CallPiece, ToolCall

MESSAGE_OVERHEAD = 4
"""Tokens that each message of a prompt costs on top of its content."""

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")


def count_tokens(text: str) -> int:
    """Count words and punctuation marks; white space belongs to what follows it."""
    return len(_TOKEN.findall(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One scripted sample. Raises InvalidOption when its token counts contradict each other."""

    text: str
    logprob: float = -0.2
    """Log-probability of every token, unless `logprobs` lists them."""
    logprobs: tuple[float, ...] | None = None
    tokens: int | None = None
    """Tokens that the text costs; None takes the length of `logprobs`, or counts the text."""
    top_logprobs: Mapping[str, float] = field(default_factory=dict[str, float])
    """Alternatives at the first token, with their log-probabilities."""
    finish: Literal["stop", "length"] = "stop"
    calls: tuple[ToolCall, ...] = ()
    """What it asks its tools for, after the text; the tokens of it come on top of the text's."""

    def __post_init__(self) -> None:
        listed = None if self.logprobs is None else len(self.logprobs)
        if None not in (listed, self.tokens) and listed != self.tokens:
            raise InvalidOption(
                f"a reply of {self.tokens} tokens has {listed} logprobs; give one for each token"
            )
        if len(self.pieces()) < bool(self.text):
            raise InvalidOption(f"a reply with text has at least 1 token, got {self.tokens}")

    def pieces(self) -> tuple[str, ...]:
        """Split the text into its tokens; a given count cuts it into parts of like length."""
        count = len(self.logprobs) if self.logprobs is not None else self.tokens
        if count is None:
            return tuple(_TOKEN.findall(self.text))
        size = len(self.text)
        return tuple(self.text[size * i // count : size * (i + 1) // count] for i in range(count))


Line: TypeAlias = Reply | str | BackendError
"""What one sample comes to: a reply, its text alone, or the error that its request ends with."""

Script: TypeAlias = Sequence[Line] | Callable[[Request, int], Line]


class ScriptedBackend:
    """Answers from a list in order, or from a function of the request and the sample's index.

    A list that runs out raises ScriptExhausted. An error among the lines is raised once the
    request's other samples are through, in place of the final count.
    """

    def __init__(
        self,
        script: Script,
        *,
        model: str = "scripted",
        context_length: int = 4096,
        relative_cost: float = 1.0,
        capabilities: frozenset[Capability] = ALL_CAPABILITIES,
        delay: float = 0.0,
        chunk_tokens: int = 8,
        abort_lag: int = 0,
    ) -> None:
        """`delay` is in seconds, before each chunk of `chunk_tokens` tokens of all samples;
        `abort_lag` is how many tokens of each sample are still made after an abort. Without the
        capability "n" a request is answered with its first sample alone.

        Raises InvalidOption for a script that is one string, or a `chunk_tokens` below 1.
        """
        if isinstance(script, str):
            raise InvalidOption(f"a script is a list or a function, got the string {script!r}")
        if chunk_tokens < 1:
            raise InvalidOption(f"chunk_tokens must be at least 1, got {chunk_tokens}")
        self.relative_cost = relative_cost
        self.requests: list[Request] = []
        self.aborted = 0
        """Streams that were closed or cancelled before their end."""
        self.generated_tokens = 0
        """Tokens streamed so far, those of aborted and failed streams included."""
        self.prompt_tokens = 0
        """Prompt tokens, counted once for every sample, as an engine's own counter does."""
        self._script = script if callable(script) else tuple(script)
        self._fingerprint = Fingerprint(
            model=model, backend="scripted", context_length=context_length
        )
        self._capabilities = capabilities
        self._delay = delay
        self._chunk_tokens = chunk_tokens
        self._abort_lag = abort_lag
        self._given = 0

    async def offer(self) -> Offer:
        """Say what the script plays at being."""
        return Offer(fingerprint=self._fingerprint, capabilities=self._capabilities)

    async def count_prompt(self, request: Request) -> int:
        """Count the tokens of all messages, each with its overhead."""
        return _count_prompt(request)

    async def supply(self, request: Request) -> int | None:
        """Tell of no limit: a list that runs out is to be noticed, not planned around."""
        return None

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Yield the samples' chunks in turns, then the exact counts.

        Raises ScriptExhausted, the script's own error, or InvalidOption for a text outside
        the request's `choices`.
        """
        self.requests.append(request)
        if "n" not in self._capabilities:
            request = replace(request, n=1)
        lines = self._draw(request)
        prompt = _count_prompt(request)
        self.prompt_tokens += prompt * request.n
        done = [0] * request.n
        try:
            for turn in self._turns(request, lines):
                await asyncio.sleep(self._delay)
                for delta in turn:
                    self.generated_tokens += delta.tokens - done[delta.index]
                    done[delta.index] = delta.tokens
                    yield delta
        except (GeneratorExit, asyncio.CancelledError):
            self.aborted += 1
            self.generated_tokens += sum(
                min(self._abort_lag, len(_cut(line, request)[0]) - seen)
                for line, seen in zip(lines, done, strict=True)
                if isinstance(line, Reply)
            )
            raise
        for line in lines:
            if isinstance(line, BackendError):
                raise line
        yield Tokens(prompt=prompt, cached_prompt=0, completion=sum(done))

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _draw(self, request: Request) -> list[Reply | BackendError]:
        first, self._given = self._given, self._given + request.n
        if callable(self._script):
            lines = [self._script(request, first + i) for i in range(request.n)]
        else:
            lines = list(self._script[first : self._given])
        if len(lines) < request.n:
            self._given = first
            raise ScriptExhausted(
                f"the script has {len(lines)} replies left and {request.n} are asked for; "
                "give it more replies, or a function"
            )
        return [_checked(line, request.choices) for line in lines]

    def _turns(
        self, request: Request, lines: Sequence[Reply | BackendError]
    ) -> Iterator[list[Delta]]:
        samples = [
            self._chunks(index, line, request)
            for index, line in enumerate(lines)
            if isinstance(line, Reply)
        ]
        for turn in zip_longest(*samples):
            yield [delta for delta in turn if delta is not None]

    def _chunks(self, index: int, reply: Reply, request: Request) -> Iterator[Delta]:
        pieces, finish = _cut(reply, request)
        logprobs = reply.logprobs or (reply.logprob,) * len(pieces)
        alternatives = _alternatives(reply, pieces, logprobs, request.top_logprobs)
        size = self._chunk_tokens
        calls = reply.calls if len(pieces) == len(reply.pieces()) else ()
        for start in range(0, len(pieces) or 1, size):
            end = min(start + size, len(pieces))
            delta = Delta(
                index=index,
                text="".join(pieces[start:end]),
                logprobs=logprobs[start:end],
                top_logprobs=alternatives[start:end],
                lengths=tuple(map(len, pieces[start:end])),
                tokens=end,
                finish=finish if end == len(pieces) and not calls else None,
            )
            yield self._as_asked(delta, request)
        yield from _calling(index, calls, len(pieces), request.max_tokens)

    def _as_asked(self, delta: Delta, request: Request) -> Delta:
        """Without what was not asked for, or this backend cannot tell."""
        if "logprobs" not in self._capabilities or not request.logprobs:
            delta = replace(delta, logprobs=(), lengths=())
        if "top_logprobs" not in self._capabilities:
            delta = replace(delta, top_logprobs=())
        return delta


def _calling(index: int, calls: tuple[ToolCall, ...], tokens: int, most: int) -> Iterator[Delta]:
    """Each call in two pieces, as engines stream it: its name, and then its arguments."""
    for place, call in enumerate(calls):
        tokens += count_tokens(call.name)
        named = CallPiece(index=place, id=call.id, name=call.name)
        yield Delta(index=index, calls=(named,), tokens=min(tokens, most))
        tokens += count_tokens(call.arguments)
        given = CallPiece(index=place, arguments=call.arguments)
        is_cut, is_last = tokens > most, place == len(calls) - 1
        yield Delta(
            index=index,
            calls=() if is_cut else (given,),
            tokens=min(tokens, most),
            finish="length" if is_cut else "stop" if is_last else None,
        )
        if is_cut:
            return


def _count_prompt(request: Request) -> int:
    contents = [str(message.get("content") or "") for message in request.messages]
    asked = [message["tool_calls"] for message in request.messages if message.get("tool_calls")]
    more = sum(count_tokens(json.dumps(part)) for part in (*asked, *request.tools))
    return more + sum(count_tokens(content) + MESSAGE_OVERHEAD for content in contents)


def _checked(line: Line, choices: tuple[str, ...]) -> Reply | BackendError:
    reply = Reply(text=line) if isinstance(line, str) else line
    if isinstance(reply, Reply) and choices and reply.text not in choices:
        raise InvalidOption(
            f"the script says {reply.text!r} where the request allows only {', '.join(choices)}"
        )
    return reply


def _cut(reply: Reply, request: Request) -> tuple[tuple[str, ...], Literal["stop", "length"]]:
    whole = reply.pieces()
    pieces = whole[: request.max_tokens]
    text = "".join(pieces)
    ends = [text.index(stop) + len(stop) for stop in request.stop if stop in text]
    if ends:
        return _until(pieces, min(ends)), "stop"
    return pieces, reply.finish if len(pieces) == len(whole) else "length"


def _until(pieces: tuple[str, ...], end: int) -> tuple[str, ...]:
    kept: list[str] = []
    for piece in pieces:
        if end <= 0:
            break
        kept.append(piece[:end])
        end -= len(piece)
    return tuple(kept)


def _alternatives(
    reply: Reply, pieces: tuple[str, ...], logprobs: tuple[float, ...], most: int
) -> tuple[Mapping[str, float], ...]:
    if not most:
        return ()
    chosen = [{piece: logprob} for piece, logprob in zip(pieces, logprobs, strict=False)]
    if reply.top_logprobs and chosen:
        best = heapq.nlargest(most, reply.top_logprobs.items(), key=lambda item: item[1])
        chosen[0] = dict(best)
    return tuple(chosen)
