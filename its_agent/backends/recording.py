"""A backend that keeps what it buys: who asks the same again gets the same samples, and only what
runs out is bought."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from its_agent.backends.pool_file import (
    PoolRow,
    PoolSample,
    RecordedCall,
    append_line,
    read_record,
)
from its_agent.backends.protocol import Backend, Delta, Offer, Request, StreamItem, Tokens
from its_agent.backends.shelves import (
    READ_TOKENS,
    Key,
    Replay,
    Shelf,
    Shelves,
    drawn,
    is_kept,
    key_of,
    pieces,
    start_of,
)
from its_agent.backends.token_confidence import token_confidence
from its_agent.errors import InvalidOption
from its_agent.tool_calls import CallReader

TOP_LOGPROBS = 20
"""Alternatives that are asked for, whatever the first asker reads of them."""
PIECE_TOKENS = 8
_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Whose samples a row holds, for who reads the file later."""

    id: str = ""
    problem: str = ""
    answer: str = ""
    arm: str = ""


class RecordingBackend:
    """Serves what the file holds, in its order, and buys and writes down the rest.

    Every solve inside one `replay()` block draws from the beginning, none of its samples twice; so
    all strategies meet the same samples. A greedy request is drawn over and over. A solve's first
    request for a prompt reads it anew; from then on, and in questions about an answer, the prefix
    cache serves what it served when the prompt was recorded for the second time. Requests with stop
    strings, a schema or a partial answer depend on their own past, and a row does not say how tools
    are to be chosen: they are passed on and not kept.
    Raises InvalidOption for a file that is not such a record, or is another model's.
    """

    def __init__(
        self, backend: Backend, path: Path, *, max_tokens: int = 512, alternatives: bool = True
    ) -> None:
        """`max_tokens` is the length that samples are recorded in. Without `alternatives`, which
        slow an engine down, a sample's confidences are not kept unless they are asked for; reads
        have theirs in any case."""
        self._backend = backend
        self._path = path
        self._max_tokens = max_tokens
        self._alternatives = alternatives
        self._shelves = Shelves()
        self._locks: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._replay: ContextVar[Replay] = ContextVar("replay")
        self._label: ContextVar[Label | None] = ContextVar("label", default=None)
        self.bought_tokens = 0
        """Generated tokens that were not in the file."""
        self._models = {row.model for row in self._kept(path)}
        if len(self._models) > 1:
            raise InvalidOption(f"{path} holds samples of several models; give one file each")

    def _kept(self, path: Path) -> tuple[PoolRow, ...]:
        rows = read_record(path).rows
        for row in rows:
            self._shelves.keep(row)
        return rows

    @contextmanager
    def replay(self, label: Label | None = None) -> Generator[None]:
        """Draw from the beginning for what runs inside the block; what is bought gets the label."""
        before = self._replay.set(Replay())
        labelled = self._label.set(label)
        try:
            yield
        finally:
            self._label.reset(labelled)
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
                f"{self._path} holds samples of {', '.join(map(str, self._models))}, the backend "
                f"serves {offer.fingerprint.model}; give another file"
            )
        return offer

    async def count_prompt(self, request: Request) -> int:
        """The recorded count, or the backend's."""
        recorded = self._shelves.prompt_tokens(request) if is_kept(request) else None
        return await self._backend.count_prompt(request) if recorded is None else recorded

    async def supply(self, request: Request) -> int | None:
        """What the backend can still be asked for."""
        return await self._backend.supply(request)

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Yield the next samples, in pieces side by side, then their counts."""
        if not is_kept(request):
            async with aclosing(self._backend.stream(request)) as items:
                async for item in items:
                    yield item
            return
        shelf = await self._stocked(request)
        samples = drawn(shelf, request, self._replay.get())
        cached = self._shelves.cached(request, self._replay.get())
        for together in pieces(samples, PIECE_TOKENS):
            for piece in together:
                yield piece
            await asyncio.sleep(0)
        yield Tokens(
            prompt=shelf.prompt_tokens,
            cached_prompt=cached,
            completion=sum(sample.tokens for sample in samples),
        )

    async def aclose(self) -> None:
        """Let go of the backend's connections."""
        await self._backend.aclose()

    async def _stocked(self, request: Request) -> Shelf:
        """The request's shelf, with all that it asks for on it."""
        async with self._locks[key_of(request)]:
            shelf = self._shelves.find(request)
            there = len(shelf.samples) if shelf else 0
            missing = start_of(request, self._replay.get()) + request.n - there
            if shelf is None or missing > 0:
                await self._buy(request, missing)
                shelf = self._shelves.find(request)
        assert shelf is not None
        return shelf

    async def _buy(self, request: Request, count: int) -> None:
        is_read = request.max_tokens <= READ_TOKENS
        wants_them = self._alternatives or is_read or request.top_logprobs > 0
        whole = replace(
            request,
            n=count,
            logprobs=True,
            top_logprobs=TOP_LOGPROBS if wants_them else 0,
            max_tokens=request.max_tokens if is_read else self._max_tokens,
        )
        row = await self._recorded(whole, is_read=is_read)
        self.bought_tokens += sum(sample.tokens for sample in row.samples)
        self._shelves.keep(row)
        append_line(self._path, row)

    async def _recorded(self, request: Request, *, is_read: bool) -> PoolRow:
        takes = [_Take() for _ in range(request.n)]
        told = Tokens(prompt=0, cached_prompt=0, completion=0)
        async with aclosing(self._backend.stream(request)) as items:
            async for item in items:
                if isinstance(item, Tokens):
                    told = item
                else:
                    takes[item.index].add(item)
        label = self._label.get() or Label()
        return PoolRow(
            id=label.id,
            problem=label.problem,
            answer=label.answer,
            arm=label.arm,
            model=(await self._backend.offer()).fingerprint.model,
            messages=tuple(dict(message) for message in request.messages),
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            choices=request.choices,
            tools=tuple(dict(tool) for tool in request.tools),
            prompt_tokens=told.prompt or await self._backend.count_prompt(request),
            cached_prompt_tokens=told.cached_prompt,
            samples=tuple(take.sample(is_read=is_read) for take in takes),
        )


@dataclass(slots=True, kw_only=True)
class _Take:
    """A sample while it comes."""

    text: str = ""
    tokens: int = 0
    finish: Literal["stop", "length"] = "stop"
    logprobs: list[float] = field(default_factory=list[float])
    confidences: list[float] = field(default_factory=list[float])
    lengths: list[int] = field(default_factory=list[int])
    first: Mapping[str, float] = field(default_factory=dict[str, float])
    calls: CallReader = field(default_factory=CallReader)

    def add(self, delta: Delta) -> None:
        if not self.logprobs and delta.top_logprobs:
            self.first = delta.top_logprobs[0]
        self.text += delta.text
        self.calls.take(delta.calls)
        self.tokens = delta.tokens
        self.finish = delta.finish or self.finish
        self.logprobs.extend(round(one, _DIGITS) for one in delta.logprobs)
        self.lengths.extend(delta.lengths)
        self.confidences.extend(
            round(token_confidence(told.values()), _DIGITS)
            for told in delta.top_logprobs
            if len(told) > 1
        )

    def sample(self, *, is_read: bool) -> PoolSample:
        first = {text: round(logprob, _DIGITS) for text, logprob in self.first.items()}
        return PoolSample(
            text=self.text,
            finish=self.finish,
            tokens=self.tokens,
            logprobs=self._for_each(self.logprobs),
            confidences=() if is_read else self._for_each(self.confidences),
            lengths=self._lengths(),
            alternatives=first if is_read else {},
            calls=tuple(
                RecordedCall(name=one.name, arguments=one.arguments) for one in self.calls.calls
            ),
        )

    def _for_each(self, told: list[float]) -> tuple[float, ...]:
        """What was told of every token; what some of them lack is of no use."""
        return tuple(told) if len(told) == self.tokens else ()

    def _lengths(self) -> tuple[int, ...]:
        """The tokens' lengths, if they make up the text; the token that ends it adds nothing."""
        if len(self.lengths) == self.tokens > 0 and sum(self.lengths) != len(self.text):
            self.lengths[-1] = 0
        is_true = len(self.lengths) == self.tokens and sum(self.lengths) == len(self.text)
        return tuple(self.lengths) if is_true else ()
