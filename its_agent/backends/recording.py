"""A backend that keeps what it buys: who asks the same again gets the same samples, and only what
runs out is bought."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from its_agent.backends.protocol import Backend, Delta, Offer, Request, StreamItem, Tokens
from its_agent.backends.record_file import KeptRequest, KeptSample, read_record
from its_agent.backends.token_confidence import token_confidence
from its_agent.errors import InvalidOption
from its_agent.solution import Message

TOP_LOGPROBS = 20
"""Alternatives that are asked for, whatever the first asker reads of them."""
READ_TOKENS = 4
"""A request for at most so many tokens is a read, kept as it is; a longer one is recorded in its
full length, and cut to what is asked for."""
PIECE_TOKENS = 8
_DIGITS = 4

Key: TypeAlias = str


@dataclass(slots=True, kw_only=True)
class _Replay:
    """What one solve has had so far."""

    draws: dict[Key, int] = field(default_factory=dict[Key, int])
    read: set[Key] = field(default_factory=set[Key])
    """Prompts that its engine would hold in the prefix cache by now."""


@dataclass(slots=True, kw_only=True)
class _Shelf:
    """All that is kept of one request."""

    prompt_tokens: int = 0
    samples: list[KeptSample] = field(default_factory=list[KeptSample])
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RecordingBackend:
    """Serves what the file holds, in its order, and buys and writes down the rest.

    Every solve inside one `replay()` block draws from the beginning, none of its samples twice; so
    all strategies meet the same samples. A greedy request is drawn over and over. A solve's first
    request for a prompt reads it anew; from then on, and in questions about an answer, the prefix
    cache serves what it served when the prompt was recorded for the second time. Requests with stop
    strings, a schema or a partial answer depend on their own past: they are passed on and not kept.
    Raises InvalidOption for a file that is not such a record, or is another model's.
    """

    def __init__(self, backend: Backend, path: Path, *, max_tokens: int = 512) -> None:
        """`max_tokens` is the length that samples are recorded in."""
        self._backend = backend
        self._path = path
        self._max_tokens = max_tokens
        self._shelves: defaultdict[Key, _Shelf] = defaultdict(_Shelf)
        self._cached: defaultdict[Key, int] = defaultdict(int)
        self._replay: ContextVar[_Replay] = ContextVar("replay")
        self._models: set[str] = set()
        self.bought_tokens = 0
        """Generated tokens that were not in the file."""
        for number, kept in enumerate(read_record(path), start=1):
            self._models.add(kept.model)
            self._keep(kept)
            if len(self._models) > 1:
                raise InvalidOption(f"{path}, line {number}: samples of several models")

    @contextmanager
    def replay(self) -> Generator[None]:
        """Draw from the beginning for what runs inside the block."""
        before = self._replay.set(_Replay())
        try:
            yield
        finally:
            self._replay.reset(before)

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of the model costs."""
        return self._backend.relative_cost

    async def offer(self) -> Offer:
        """What the backend offers. Raises InvalidOption where the file is another model's."""
        offer = await self._backend.offer()
        if self._models - {offer.fingerprint.model}:
            raise InvalidOption(
                f"{self._path} holds samples of {', '.join(self._models)}, the backend serves "
                f"{offer.fingerprint.model}; give another file"
            )
        return offer

    async def count_prompt(self, request: Request) -> int:
        """The recorded count, or the backend's."""
        shelf = self._shelves.get(_key(request)) if _is_kept(request) else None
        if shelf is None or not shelf.samples:
            return await self._backend.count_prompt(request)
        return shelf.prompt_tokens

    async def supply(self, request: Request) -> int | None:
        """What the backend can still be asked for."""
        return await self._backend.supply(request)

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Yield the next samples, in pieces side by side, then their counts."""
        if not _is_kept(request):
            async with aclosing(self._backend.stream(request)) as items:
                async for item in items:
                    yield item
            return
        samples = await self._drawn(request)
        cached = self._served_by_cache(request)
        for start in range(0, max(1, *(s.tokens for s in samples)), PIECE_TOKENS):
            for index, sample in enumerate(samples):
                if start == 0 or start < sample.tokens:
                    yield _piece(index, sample, start)
            await asyncio.sleep(0)
        yield Tokens(
            prompt=self._shelves[_key(request)].prompt_tokens,
            cached_prompt=cached,
            completion=sum(sample.tokens for sample in samples),
        )

    async def aclose(self) -> None:
        """Let go of the backend's connections."""
        await self._backend.aclose()

    async def _drawn(self, request: Request) -> list[KeptSample]:
        key = _key(request)
        draws = self._replay.get().draws
        first = 0 if request.temperature == 0 else draws.get(key, 0)
        draws[key] = first + request.n
        shelf = self._shelves[key]
        async with shelf.lock:
            missing = first + request.n - len(shelf.samples)
            if missing > 0:
                await self._buy(request, missing)
        return [_cut(s, request.max_tokens) for s in shelf.samples[first : first + request.n]]

    def _served_by_cache(self, request: Request) -> int:
        prompt, read = _said(request.messages), self._replay.get().read
        is_held = prompt in read or _is_question(request.messages)
        read.add(prompt)
        return self._cached[prompt] if is_held else 0

    async def _buy(self, request: Request, count: int) -> None:
        is_read = request.max_tokens <= READ_TOKENS
        whole = replace(
            request,
            n=count,
            logprobs=True,
            top_logprobs=TOP_LOGPROBS,
            max_tokens=request.max_tokens if is_read else self._max_tokens,
        )
        kept = await self._recorded(whole, is_read=is_read)
        self.bought_tokens += sum(sample.tokens for sample in kept.samples)
        self._keep(kept)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(kept.model_dump_json() + "\n")

    async def _recorded(self, request: Request, *, is_read: bool) -> KeptRequest:
        takes = [_Take() for _ in range(request.n)]
        told = Tokens(prompt=0, cached_prompt=0, completion=0)
        async with aclosing(self._backend.stream(request)) as items:
            async for item in items:
                if isinstance(item, Tokens):
                    told = item
                else:
                    takes[item.index].add(item)
        return KeptRequest(
            model=(await self._backend.offer()).fingerprint.model,
            messages=tuple(dict(message) for message in request.messages),
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            choices=request.choices,
            prompt_tokens=told.prompt or await self._backend.count_prompt(request),
            cached_prompt_tokens=told.cached_prompt,
            samples=tuple(take.sample(is_read=is_read) for take in takes),
        )

    def _keep(self, kept: KeptRequest) -> None:
        shelf = self._shelves[_key_of(kept)]
        shelf.prompt_tokens = kept.prompt_tokens
        said = _said(kept.messages)
        self._cached[said] = max(self._cached[said], kept.cached_prompt_tokens)
        shelf.samples.extend(kept.samples)


@dataclass(slots=True, kw_only=True)
class _Take:
    """A sample while it comes."""

    text: str = ""
    tokens: int = 0
    finish: Literal["stop", "length"] = "stop"
    logprobs: list[float] = field(default_factory=list[float])
    confidences: list[float] = field(default_factory=list[float])
    first: Mapping[str, float] = field(default_factory=dict[str, float])

    def add(self, delta: Delta) -> None:
        if not self.logprobs and delta.top_logprobs:
            self.first = delta.top_logprobs[0]
        self.text += delta.text
        self.tokens = delta.tokens
        self.finish = delta.finish or self.finish
        self.logprobs.extend(round(one, _DIGITS) for one in delta.logprobs)
        self.confidences.extend(
            round(token_confidence(told.values()), _DIGITS)
            for told in delta.top_logprobs
            if len(told) > 1
        )

    def sample(self, *, is_read: bool) -> KeptSample:
        first = {text: round(logprob, _DIGITS) for text, logprob in self.first.items()}
        return KeptSample(
            text=self.text,
            finish=self.finish,
            tokens=self.tokens,
            logprobs=tuple(self.logprobs),
            confidences=() if is_read else tuple(self.confidences),
            alternatives=first if is_read else {},
        )


def _is_kept(request: Request) -> bool:
    return not (request.stop or request.continue_partial or request.schema is not None)


def _is_question(messages: Sequence[Message]) -> bool:
    """Whether it asks about an answer, whose conversation the engine has just been through."""
    return any(message["role"] == "assistant" for message in messages)


def _key(request: Request) -> Key:
    return _named(
        request.messages, request.temperature, request.top_p, request.choices, request.max_tokens
    )


def _key_of(kept: KeptRequest) -> Key:
    return _named(kept.messages, kept.temperature, kept.top_p, kept.choices, kept.max_tokens)


def _named(
    messages: Sequence[Message],
    temperature: float,
    top_p: float,
    choices: Sequence[str],
    max_tokens: int,
) -> Key:
    read = max_tokens if max_tokens <= READ_TOKENS else None
    sampling = (temperature, top_p if temperature else 1.0, tuple(choices), read)
    return _said(messages) + repr(sampling)


def _said(messages: Sequence[Message]) -> Key:
    return repr([(message["role"], message["content"]) for message in messages])


def _cut(sample: KeptSample, max_tokens: int) -> KeptSample:
    """The sample as a lower limit would have cut it; the text is split by characters."""
    if sample.tokens <= max_tokens:
        return sample
    return sample.model_copy(
        update={
            "text": sample.text[: len(sample.text) * max_tokens // sample.tokens],
            "finish": "length",
            "tokens": max_tokens,
            "logprobs": sample.logprobs[:max_tokens],
            "confidences": sample.confidences[:max_tokens],
        }
    )


def _piece(index: int, sample: KeptSample, start: int) -> Delta:
    end = min(start + PIECE_TOKENS, sample.tokens)
    first, last = (len(sample.text) * at // max(1, sample.tokens) for at in (start, end))
    is_last = end == sample.tokens
    return Delta(
        index=index,
        text=sample.text[first : None if is_last else last],
        logprobs=sample.logprobs[start:end],
        confidences=sample.confidences[start:end],
        top_logprobs=(sample.alternatives,) if sample.alternatives else (),
        tokens=end,
        finish=sample.finish if is_last else None,
    )
