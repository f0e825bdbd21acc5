"""A backend that replays recorded samples, the same ones for every policy under one seed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from its_agent.backends.pool_file import Pool, PoolRow, read_pool
from its_agent.backends.pool_reader import PoolReader
from its_agent.backends.protocol import Capability, Offer, Request, StreamItem, Tokens
from its_agent.backends.shelves import (
    Replay,
    Shelves,
    drawn,
    in_order,
    is_kept,
    pieces,
    start_of,
)
from its_agent.errors import InvalidOption, ScriptExhausted
from its_agent.receipt import Fingerprint
from its_agent.solution import Message


class PoolBackend:
    """Replays a recorded pool, drawing without replacement; nothing else can be bought from it.

    A request finds its samples by its messages, its temperature, (above 0) its top_p, its choices
    and, if it asks for a few tokens only, their number; one with stop strings, a schema or a
    partial answer finds none, nor does one for alternatives that were not recorded. A greedy sample
    is the same each time. A sample longer than the request's `max_tokens` is served cut off: finish
    "length", and the text up to there, by its tokens' lengths where they were recorded, else by
    proportion; cut-off samples never vote. A sample that was recorded as cut off stays so under any
    `max_tokens`. The prompt costs what it did: in full the first time, then what the prefix cache
    did not serve.
    """

    def __init__(
        self,
        path: str | Path | Iterable[str | Path],
        *,
        seed: int = 0,
        model: str | None = None,
        relative_cost: float = 1.0,
        chunk_tokens: int | None = None,
    ) -> None:
        """Read JSON lines, plain or .gz, of one file or several; `seed` fixes the order of every
        request's samples, `model` says whose samples are meant.

        With `chunk_tokens` the samples of a request arrive side by side in pieces of so many
        tokens, as from an engine, so that they can be aborted; without, each comes whole. Raises
        InvalidOption, with file and line, for what cannot be read.
        """
        if chunk_tokens is not None and chunk_tokens < 1:
            raise InvalidOption(f"chunk_tokens must be at least 1, got {chunk_tokens}")
        paths = [path] if isinstance(path, str | Path) else list(path)
        self._name = ", ".join(map(str, paths))
        self._chunk_tokens = chunk_tokens
        self.relative_cost = relative_cost
        self._pool = read_pool(map(Path, paths))
        self.model = model or _only_model(self._name, self._pool)
        """Whose samples these are."""
        self.rows = tuple(row for row in self._pool.rows if (row.model or self._name) == self.model)
        if not self.rows:
            raise InvalidOption(f"{self._name} holds no samples of {self.model}")
        self._shelves = _shelves(self.rows, seed)
        self._fingerprint = Fingerprint(model=self.model, backend="pool", sampling={"seed": seed})
        self._replay: ContextVar[Replay | None] = ContextVar("replay", default=None)
        self._outside = Replay()

    @contextmanager
    def replay(self) -> Generator[None]:
        """Draw from the beginning for what runs inside the block, whoever else draws."""
        token = self._replay.set(Replay())
        try:
            yield
        finally:
            self._replay.reset(token)

    def reset(self) -> None:
        """Put back every sample that was drawn outside a `replay` block; the order stays."""
        self._outside = Replay()

    async def offer(self) -> Offer:
        """Name the recorded model, or the file where the rows name none."""
        return Offer(fingerprint=self._fingerprint, capabilities=self._capabilities())

    async def count_prompt(self, request: Request) -> int:
        """Return the recorded count. Raises ScriptExhausted for a prompt not in the pool."""
        tokens = self._shelves.prompt_tokens(request)
        if tokens is None:
            raise ScriptExhausted(
                f"the pool {self._name} does not hold the prompt {_start(request.messages)}; "
                "ask for the supply of a request before anything else"
            )
        return tokens

    async def supply(self, request: Request) -> int:
        """Say how many samples are left for this prompt and sampling; 0 for one not recorded."""
        shelf = self._shelves.find(request) if is_kept(request) else None
        if shelf is None:
            return 0
        if request.top_logprobs and not any(s.alternatives or s.confidences for s in shelf.samples):
            return 0
        return len(shelf.samples) - start_of(request, self._current)

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Yield the next samples, then their counts; what was drawn never comes back.

        Raises ScriptExhausted, drawing nothing, when fewer than `n` are left.
        """
        left = await self.supply(request)
        shelf = self._shelves.find(request)
        if shelf is None or left < request.n:
            raise ScriptExhausted(
                f"the pool {self._name} holds {left} more samples of this request and {request.n} "
                f"are asked for (temperature {request.temperature:g}, top_p {request.top_p:g}, "
                f"prompt {_start(request.messages)}); ask for at most its supply"
            )
        samples = drawn(shelf, request, self._current)
        longest = max((1, *(sample.tokens for sample in samples)))
        for together in pieces(samples, self._chunk_tokens or longest):
            for piece in together:
                yield piece
            await asyncio.sleep(0)
        yield Tokens(
            prompt=shelf.prompt_tokens,
            cached_prompt=self._shelves.cached(request, self._current),
            completion=sum(sample.tokens for sample in samples),
        )

    def reader(self, model: str, *, relative_cost: float = 1.0) -> PoolReader:
        """What another model made of these answers. Raises InvalidOption where none was kept."""
        return PoolReader(self._pool.readings, model, relative_cost=relative_cost)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""

    @property
    def _current(self) -> Replay:
        return self._replay.get() or self._outside

    def _capabilities(self) -> frozenset[Capability]:
        capabilities: set[Capability] = {"n", "count_prompt"}
        samples = [sample for row in self.rows for sample in row.samples]
        if any(sample.logprobs for sample in samples):
            capabilities.add("logprobs")
        if any(sample.alternatives or sample.confidences for sample in samples):
            capabilities.add("top_logprobs")
        return frozenset(capabilities)


def _only_model(name: str, pool: Pool) -> str:
    models = sorted({row.model or name for row in pool.rows})
    if len(models) > 1:
        raise InvalidOption(
            f"{name} holds samples of several models: {', '.join(models)}; say which by model=…"
        )
    return models[0] if models else name


def _shelves(rows: Iterable[PoolRow], seed: int) -> Shelves:
    shelves = Shelves()
    for row in rows:
        shelves.keep(row)
    for key, shelf in shelves.by_key.items():
        shelf.samples = in_order(shelf.samples, key, seed)
    return shelves


def _start(messages: Iterable[Message]) -> str:
    prompt = str(list(messages)[-1]["content"])
    return repr(prompt if len(prompt) <= 60 else prompt[:60] + "…")
