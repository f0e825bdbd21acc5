"""Reading a given text: how likely a model finds an answer that somebody else may have written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from its_agent.budget import Usage, compute_units
from its_agent.solution import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTokens:
    """A conversation as one model reads it; its last message is the answer."""

    messages: tuple[Message, ...]
    tokens: tuple[int, ...]
    start: int
    """Where the answer's tokens begin; they go on to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRead:
    """What a model makes of the answer, and what asking it cost."""

    logprobs: tuple[float | None, ...]
    """Natural logarithms, one for each token of the answer; None where the engine tells none, or
    finds the token impossible."""
    usage: Usage


class TextReader(Protocol):
    """A model that reads texts. Errors are BackendErrors, PromptTooLong and UnknownModel."""

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of this model costs."""
        ...

    async def tokenize_text(
        self, messages: Sequence[Message], *, end_of_turn: bool = False
    ) -> TextTokens:
        """Find the answer's tokens by this model's own chat template, at no cost; with
        `end_of_turn` the token with which the template ends the turn is one of them."""
        ...

    async def read_text(self, text: TextTokens) -> TextRead:
        """Read the whole conversation; costs `reading_cost` at most."""
        ...


def reading_cost(tokens: int, relative_cost: float) -> Usage:
    """What reading so many tokens costs: an engine that reads a prompt also makes a token."""
    compute = compute_units(prompt=tokens, cached=0, completion=1, relative_cost=relative_cost)
    return Usage(prompt_tokens=tokens, completion_tokens=1, requests=1, compute=compute)


def shared_start(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts have in common before they part."""
    shorter = min(len(one), len(other))
    return next((i for i in range(shorter) if one[i] != other[i]), shorter)
