"""What a backend is: something that counts a prompt and streams samples for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias, TypeGuard, get_args, runtime_checkable

from its_agent.receipt import Fingerprint
from its_agent.solution import Message
from its_agent.tool_calls import CallPiece

Capability = Literal[
    "logprobs",
    "top_logprobs",
    "continue_partial",
    "structured",
    "n",
    "count_prompt",
    "thinking_budget",
]
"""What not every server can: "n" is several samples for one prompt, "count_prompt" an exact count
of a prompt's tokens before it is paid for, "thinking_budget" an end to thinking at a limit."""
ALL_CAPABILITIES: frozenset[Capability] = frozenset(get_args(Capability))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request for `n` samples that continue the same messages."""

    messages: tuple[Message, ...]
    max_tokens: int
    """Most tokens that each sample may generate."""
    n: int = 1
    temperature: float = 0.8
    top_p: float = 0.95
    stop: tuple[str, ...] = ()
    """Strings that end a sample; they stay part of its text."""
    logprobs: bool = True
    """Log-probabilities of the chosen tokens are wanted; they slow an engine down, a CPU most."""
    top_logprobs: int = 0
    """Alternatives reported for every generated token."""
    schema: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    """The only texts allowed, if any."""
    thinking: bool | None = None
    """Whether a reasoning model is to think, by its template's `enable_thinking`; None leaves it to
    the template. It is part of the prompt."""
    thinking_tokens: int | None = None
    """Most tokens of thinking, where the server can hold a model to it."""
    continue_partial: bool = False
    """The last message is the beginning of the assistant's answer, to be continued."""
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further sampling settings of this request, by the names that vLLM has for them."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """What the model may call, in the OpenAI form. They are part of the prompt."""
    tool_choice: str | Mapping[str, Any] | None = None
    """"auto", "none", "required", or the one function to call, in the OpenAI form."""
    parallel_calls: bool | None = None
    """Whether one sample may call several; None leaves it to the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of one sample."""

    index: int
    text: str = ""
    thinking: str = ""
    """Thinking that the server keeps apart from the text."""
    calls: tuple[CallPiece, ...] = ()
    logprobs: tuple[float, ...] = ()
    """Log-probabilities of the chosen tokens in this piece."""
    top_logprobs: tuple[Mapping[str, float], ...] = ()
    confidences: tuple[float, ...] = ()
    """Confidence of each token, from a recording that kept no alternatives."""
    lengths: tuple[int, ...] = ()
    """Characters that each token of this piece adds, where the server tells its tokens."""
    tokens: int
    """Tokens that this sample has generated so far, this piece included."""
    estimated: bool = False
    """Nobody counted these tokens: an upper estimate from the text."""
    finish: Literal["stop", "length"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The engine's own count for a whole request; ends the stream of an engine that tells it."""

    prompt: int
    cached_prompt: int
    completion: int


StreamItem: TypeAlias = Delta | Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a backend is and can do."""

    fingerprint: Fingerprint
    capabilities: frozenset[Capability] = ALL_CAPABILITIES
    concurrency: int | None = None
    """Streams that it has open at once, the others waiting; None where it sets no limit."""


@runtime_checkable
class Backend(Protocol):
    """A source of samples. Errors are BackendErrors; closing the stream aborts the work."""

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of this model costs."""
        ...

    async def offer(self) -> Offer:
        """Say what answers here. Raises BackendUnreachable, or UnknownModel."""
        ...

    async def count_prompt(self, request: Request) -> int:
        """Count the request's prompt tokens, chat template included; without the capability
        "count_prompt" this is an upper estimate."""
        ...

    async def supply(self, request: Request) -> int | None:
        """Say how many samples of this kind are to be had; None for no limit."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Generate; yields Deltas, then Tokens."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Revivable(Protocol):
    """A backend whose engine can be brought back after it died."""

    async def revive(self) -> bool:
        """Bring the engine back if it is dead; False where it lives, or has been brought back as
        often as it may. Raises a BackendError where that fails."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBound:
    """What is known of a prompt's length before anybody is asked."""

    tokens: int
    """Its tokens, or no fewer than those."""
    is_exact: bool


@runtime_checkable
class Foretelling(Protocol):
    """A backend that knows something of how long a prompt is without asking its server."""

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """Tell the prompt's tokens where they are known, else no fewer than they can be; None where
        nothing is known."""
        ...


@runtime_checkable
class Tokenizing(Protocol):
    """A backend whose server has its model's tokenizer do texts."""

    async def count_text(self, text: str) -> int | None:
        """Count a text's tokens, without any template; None where the server has no such page.
        Raises a BackendError."""
        ...


async def count_text(backend: Backend, text: str) -> int | None:
    """A text's tokens by the tokenizer of the backend's model, if it is to be had."""
    return await backend.count_text(text) if isinstance(backend, Tokenizing) else None


def prompt_bound(backend: Backend, request: Request) -> PromptBound | None:
    """What a backend knows of a prompt's length without asking its server, if anything."""
    return backend.prompt_bound(request) if _foretells(backend) else None


def _foretells(backend: Backend) -> TypeGuard[Foretelling]:
    return _is_foretelling(type(backend))


@cache
def _is_foretelling(kind: type) -> bool:
    # Asked of a protocol this takes tens of microseconds.
    return issubclass(kind, Foretelling)
