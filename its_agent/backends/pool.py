"""A backend that replays recorded samples, the same ones for every policy under one seed."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from its_agent.backends.protocol import Capability, Delta, Offer, Request, StreamItem, Tokens
from its_agent.errors import InvalidOption, ScriptExhausted
from its_agent.receipt import Fingerprint

DEFAULT_INSTRUCTION = "\n\nPlease reason step by step, and put your final answer within \\boxed{}."
"""What follows the problem in the user message of a row that names no `prompt`."""

CAPABILITIES: frozenset[Capability] = frozenset({"logprobs", "n", "count_prompt"})

LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]


class RecordedSample(BaseModel):
    """One sample as it was generated, with one log-probability for each token."""

    model_config = ConfigDict(frozen=True)

    text: str
    finish: Literal["stop", "length"]
    tokens: int = Field(ge=0)
    logprobs: tuple[LogProbability, ...]

    @model_validator(mode="after")
    def _one_logprob_a_token(self) -> RecordedSample:
        if len(self.logprobs) != self.tokens:
            raise ValueError(f"{self.tokens} tokens with {len(self.logprobs)} logprobs")
        return self


class PoolRow(BaseModel):
    """The samples of one prompt under one sampling setting."""

    model_config = ConfigDict(frozen=True)

    id: str
    problem: str
    answer: str
    """The reference answer; the backend never looks at it."""
    prompt_tokens: int = Field(ge=1)
    samples: tuple[RecordedSample, ...] = Field(min_length=1)
    model: str | None = None
    prompt: str | None = None
    """The user message as it was sent; None for the problem and the default instruction."""
    temperature: float = Field(default=0.8, ge=0)
    top_p: float = Field(default=0.95, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=1)
    """Limit that the samples were recorded under."""

    @property
    def user_message(self) -> str:
        """The user message that the samples answer."""
        return self.problem + DEFAULT_INSTRUCTION if self.prompt is None else self.prompt


class _Key(NamedTuple):
    prompt: str
    temperature: float
    top_p: float


class PoolBackend:
    """Replays a recorded pool, drawing without replacement; nothing else can be bought from it.

    A request finds its samples by its last user message, its temperature and (above 0) its
    top_p; one with stop strings, choices, a schema, alternatives or a partial answer finds none.
    A sample longer than the request's `max_tokens` is served cut off: finish "length", the
    first `max_tokens` log-probabilities, and a share of the text by characters, which only
    approximates where the engine would have stopped; cut-off samples never vote. A sample
    that was recorded as cut off stays so under any `max_tokens`.
    """

    def __init__(self, path: str | Path, *, seed: int = 0, chunk_tokens: int | None = None) -> None:
        """Read JSON lines, plain or .gz; `seed` fixes the order of every row's samples.

        With `chunk_tokens` the samples of a request arrive side by side in pieces of so many
        tokens, as from an engine, so that they can be aborted; without, each comes whole. Raises
        InvalidOption, with file and line, for what cannot be read.
        """
        if chunk_tokens is not None and chunk_tokens < 1:
            raise InvalidOption(f"chunk_tokens must be at least 1, got {chunk_tokens}")
        self._chunk_tokens = chunk_tokens
        self.relative_cost = 1.0
        self.rows = read_pool(path)
        self._path = Path(path)
        self._rows = _by_key(self._path, self.rows)
        self._prompts = {key.prompt: row.prompt_tokens for key, row in self._rows.items()}
        self._order = {key: _shuffled(row, seed) for key, row in self._rows.items()}
        self._given: dict[_Key, int] = {}
        self._fingerprint = Fingerprint(
            model=_model(self._path, self.rows), backend="pool", sampling={"seed": seed}
        )

    async def offer(self) -> Offer:
        """Name the recorded model, or the file where the rows name none."""
        return Offer(fingerprint=self._fingerprint, capabilities=CAPABILITIES)

    async def count_prompt(self, request: Request) -> int:
        """Return the recorded count. Raises ScriptExhausted for a prompt not in the pool."""
        prompt = _user_message(request)
        if prompt not in self._prompts:
            raise ScriptExhausted(
                f"the pool {self._path} does not hold the prompt {_start(prompt)}; "
                "ask for the supply of a request before anything else"
            )
        return self._prompts[prompt]

    async def supply(self, request: Request) -> int:
        """Say how many samples are left for this prompt and sampling; 0 for one not recorded."""
        return self._left(_key(request))

    def reset(self) -> None:
        """Put every sample back; the order stays."""
        self._given.clear()

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Yield the next samples, then their counts; what was drawn never comes back.

        Raises ScriptExhausted, drawing nothing, when fewer than `n` are left.
        """
        samples = self._draw(request)
        longest = max((sample.tokens for sample in samples), default=0)
        size = self._chunk_tokens or max(1, longest)
        for start in range(0, max(1, longest), size):
            for index, sample in enumerate(samples):
                piece = _piece(index, sample, start, start + size)
                if piece is not None:
                    yield piece
            await asyncio.sleep(0)
        prompt = await self.count_prompt(request)
        yield Tokens(prompt=prompt, cached_prompt=0, completion=sum(s.tokens for s in samples))

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _left(self, key: _Key | None) -> int:
        if key is None:
            return 0
        return len(self._order.get(key, ())) - self._given.get(key, 0)

    def _draw(self, request: Request) -> list[RecordedSample]:
        key = _key(request)
        left = self._left(key)
        if key is None or left < request.n:
            raise ScriptExhausted(
                f"the pool {self._path} holds {left} more samples of this request and {request.n} "
                f"are asked for (temperature {request.temperature:g}, top_p {request.top_p:g}, "
                f"prompt {_start(_user_message(request))}); ask for at most its supply"
            )
        first = self._given.get(key, 0)
        self._given[key] = first + request.n
        drawn = self._order[key][first : first + request.n]
        return [_cut(sample, request.max_tokens) for sample in drawn]


def read_pool(path: str | Path) -> tuple[PoolRow, ...]:
    """Read and check a pool's rows. Raises InvalidOption, naming file and line."""
    lines = _read(Path(path)).split(b"\n")
    rows = tuple(_row(path, i, line) for i, line in enumerate(lines, start=1) if line.strip())
    if not rows:
        raise InvalidOption(f"the pool {path} is empty; give a file with one JSON object a line")
    return rows


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidOption(
            f"cannot read the pool {path}: {error}; give JSON lines, plain or .gz"
        ) from error


def _row(path: str | Path, number: int, line: bytes) -> PoolRow:
    try:
        return PoolRow.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "row"
        raise InvalidOption(
            f"{path}, line {number}: {where}: {first['msg']}; a row is an object with "
            "id, problem, answer, prompt_tokens and samples [{text, finish, tokens, logprobs}]"
        ) from error


def _by_key(path: Path, rows: Sequence[PoolRow]) -> dict[_Key, PoolRow]:
    by_key: dict[_Key, PoolRow] = {}
    for row in rows:
        key = _sampling(row.user_message, row.temperature, row.top_p)
        if key in by_key:
            raise InvalidOption(
                f"{path}: the rows {by_key[key].id} and {row.id} have the same prompt and "
                "sampling; join their samples in one row"
            )
        by_key[key] = row
    return by_key


def _model(path: Path, rows: Sequence[PoolRow]) -> str:
    names = sorted({row.model or path.name for row in rows})
    if len(names) > 1:
        raise InvalidOption(
            f"{path} holds samples of several models: {', '.join(names)}; split it, one a file"
        )
    return names[0]


def _shuffled(row: PoolRow, seed: int) -> tuple[RecordedSample, ...]:
    samples = list(row.samples)
    random.Random(f"{seed}/{row.id}").shuffle(samples)
    return tuple(samples)


def _cut(sample: RecordedSample, max_tokens: int) -> RecordedSample:
    if sample.tokens <= max_tokens:
        return sample
    return RecordedSample(
        text=sample.text[: len(sample.text) * max_tokens // sample.tokens],
        finish="length",
        tokens=max_tokens,
        logprobs=sample.logprobs[:max_tokens],
    )


def _piece(index: int, sample: RecordedSample, start: int, end: int) -> Delta | None:
    """The tokens from `start` to `end`; the text is split by characters in the same proportion."""
    if start and start >= sample.tokens:
        return None
    end = min(end, sample.tokens)
    first, last = (len(sample.text) * at // max(1, sample.tokens) for at in (start, end))
    is_last = end == sample.tokens
    return Delta(
        index=index,
        text=sample.text[first : None if is_last else last],
        logprobs=sample.logprobs[start:end],
        tokens=end,
        finish=sample.finish if is_last else None,
    )


def _key(request: Request) -> _Key | None:
    special = request.stop or request.choices or request.schema or request.top_logprobs
    if special or request.continue_partial:
        return None
    return _sampling(_user_message(request), request.temperature, request.top_p)


def _sampling(prompt: str, temperature: float, top_p: float) -> _Key:
    """Greedy decoding does not depend on top_p."""
    return _Key(prompt, temperature, top_p if temperature > 0 else 1.0)


def _user_message(request: Request) -> str:
    users = [message for message in request.messages if message.get("role") == "user"]
    return str(users[-1].get("content")) if users else ""


def _start(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 60 else prompt[:60] + "…")
