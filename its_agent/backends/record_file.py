"""The file that a recording is kept in: JSON lines, one for each request and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from its_agent.errors import InvalidOption


class KeptSample(BaseModel):
    """One sample, with what was told of its tokens."""

    model_config = ConfigDict(frozen=True)

    text: str
    finish: Literal["stop", "length"]
    tokens: int
    logprobs: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()
    """By token: see `token_confidence`, of 20 alternatives."""
    alternatives: Mapping[str, float] = {}
    """At the first token of a read, with their log-probabilities."""


class KeptRequest(BaseModel):
    """One line of the file: what was asked for, and what came."""

    model_config = ConfigDict(frozen=True)

    model: str
    messages: tuple[Mapping[str, Any], ...]
    temperature: float
    top_p: float
    max_tokens: int
    choices: tuple[str, ...] = ()
    prompt_tokens: int
    cached_prompt_tokens: int
    samples: tuple[KeptSample, ...]


def read_record(path: Path) -> list[KeptRequest]:
    """The lines of the file, none where there is no file; a last one that was cut off while being
    written is removed. Raises InvalidOption for a file that is not such a record."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    try:
        return [KeptRequest.model_validate_json(line) for line in whole.split(b"\n") if line]
    except ValidationError as error:
        raise InvalidOption(f"{path} is not a record of samples: {error.errors()[0]}") from error
