"""The file that recorded samples are kept in: JSON lines, plain or .gz, one for each request and
what came of it, or for one answer that another model has read."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from its_agent.errors import InvalidOption
from its_agent.solution import Message

DEFAULT_INSTRUCTION = "\n\nPlease reason step by step, and put your final answer within \\boxed{}."
"""What follows the problem in the user message of a row that names neither `messages` nor
`prompt`."""

LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class RecordedCall(BaseModel):
    """A tool that a sample calls."""

    model_config = ConfigDict(frozen=True)

    name: str
    arguments: str
    """JSON, as far as the model got it right."""


class PoolSample(BaseModel):
    """One sample as it was generated, with what was told of its tokens."""

    model_config = ConfigDict(frozen=True)

    text: str
    finish: Literal["stop", "length"]
    tokens: Count
    logprobs: tuple[LogProbability, ...] = ()
    """One for each token, or none."""
    confidences: tuple[float, ...] = ()
    """By token: see `token_confidence`, of 20 alternatives."""
    lengths: tuple[Count, ...] = ()
    """Characters that each token adds to the text, so that a lower limit cuts where it would
    have; without them a cut is placed by proportion."""
    alternatives: Mapping[str, float] = {}
    """At the first token of a read, with their log-probabilities."""
    calls: tuple[RecordedCall, ...] = ()
    """What it calls, which is no part of the text."""

    @model_validator(mode="after")
    def _one_for_each_token(self) -> PoolSample:
        for name in ("logprobs", "confidences", "lengths"):
            told = len(getattr(self, name))
            if told not in (0, self.tokens):
                raise ValueError(f"{self.tokens} tokens with {told} {name}")
        return self

    def offset(self, token: int) -> int:
        """Where in the text this token begins."""
        if self.lengths:
            return sum(self.lengths[:token])
        return len(self.text) * token // max(1, self.tokens)

    def cut(self, max_tokens: int) -> PoolSample:
        """The sample as a lower limit would have cut it."""
        if self.tokens <= max_tokens:
            return self
        return self.model_copy(
            update={
                "text": self.text[: self.offset(max_tokens)],
                "finish": "length",
                "tokens": max_tokens,
                "logprobs": self.logprobs[:max_tokens],
                "confidences": self.confidences[:max_tokens],
                "lengths": self.lengths[:max_tokens],
                "calls": (),
            }
        )


class PoolRow(BaseModel):
    """What was asked for, and what came."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    """Of the problem; empty where nobody said which it is."""
    problem: str = ""
    answer: str = ""
    """The reference answer; a backend never looks at it."""
    arm: str = ""
    """The prompt strategy whose words these are."""
    model: str | None = None
    messages: tuple[Mapping[str, Any], ...] = ()
    prompt: str | None = None
    """The user message, where that is all there was; None for `messages`, or for the problem and
    the default instruction."""
    temperature: float = Field(default=0.8, ge=0)
    top_p: float = Field(default=0.95, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=1)
    """Limit that the samples were recorded under."""
    choices: tuple[str, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    """What could be called, in the OpenAI form."""
    prompt_tokens: int = Field(ge=1)
    cached_prompt_tokens: Count = 0
    """Tokens of the prompt that the engine held when it was asked."""
    samples: tuple[PoolSample, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _says_what_was_asked(self) -> PoolRow:
        if not (self.messages or self.prompt or self.problem):
            raise ValueError("neither messages, nor prompt, nor problem")
        return self

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The messages that the samples continue."""
        if self.messages:
            return self.messages
        content = self.problem + DEFAULT_INSTRUCTION if self.prompt is None else self.prompt
        return ({"role": "user", "content": content},)


class ReadingRow(BaseModel):
    """What a model makes of an answer that another one gave."""

    model_config = ConfigDict(frozen=True)

    reader: str
    """The model that read it."""
    of: str
    """`said` of the conversation, the answer its last message."""
    prompt_tokens: int = Field(ge=1)
    """Tokens read: the whole conversation in this model's template."""
    logprobs: tuple[LogProbability, ...]
    """Of the answer's tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """All lines of one file, or of several."""

    rows: tuple[PoolRow, ...] = ()
    readings: tuple[ReadingRow, ...] = ()


def read_pool(paths: Path | Iterable[Path]) -> Pool:
    """Read and check files. Raises InvalidOption, naming file and line, for what cannot be read,
    and for an empty file."""
    listed = [paths] if isinstance(paths, Path) else list(paths)
    lines = [line for path in listed for line in _lines(path)]
    return Pool(
        rows=tuple(line for line in lines if isinstance(line, PoolRow)),
        readings=tuple(line for line in lines if isinstance(line, ReadingRow)),
    )


def read_record(path: Path) -> Pool:
    """What a file that is still written to holds; nothing where there is none. A last line that
    was cut off while being written is removed. Raises InvalidOption."""
    if not path.exists():
        return Pool()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    return read_pool(path) if whole.strip() else Pool()


def append_line(path: Path, line: PoolRow | ReadingRow) -> None:
    """Add a line to a file; what a row does not say is left out."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line.model_dump_json(exclude_defaults=True) + "\n")


def _lines(path: Path) -> list[PoolRow | ReadingRow]:
    lines = _read(path).split(b"\n")
    found = [_line(path, i, line) for i, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise InvalidOption(f"the pool {path} is empty; give a file with one JSON object a line")
    return found


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidOption(
            f"cannot read the pool {path}: {error}; give JSON lines, plain or .gz"
        ) from error


def _line(path: Path, number: int, line: bytes) -> PoolRow | ReadingRow:
    """A line that begins with its reader is a reading."""
    kind = ReadingRow if line.startswith(b'{"reader"') else PoolRow
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "row"
        raise InvalidOption(
            f"{path}, line {number}: {where}: {first['msg']}; a row is an object with "
            "id, problem, answer, prompt_tokens and samples [{text, finish, tokens, logprobs}]"
        ) from error
