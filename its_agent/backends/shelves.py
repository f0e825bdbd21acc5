"""Recorded samples by the request that they answer, and how a solve draws from them."""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from its_agent.backends.pool_file import PoolRow, PoolSample
from its_agent.backends.protocol import Delta, Request
from its_agent.solution import Message
from its_agent.tool_calls import CallPiece

READ_TOKENS = 4
"""A request for at most so many tokens is a read, kept as it is; a longer one is recorded in its
full length, and cut to what is asked for."""

Key: TypeAlias = str
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Replay:
    """What one solve has had so far."""

    draws: defaultdict[Key, int] = field(default_factory=lambda: defaultdict[Key, int](int))
    read: set[Key] = field(default_factory=set[Key])
    """Prompts that its engine would hold in the prefix cache by now."""


@dataclass(slots=True, kw_only=True)
class Shelf:
    """All that is kept of one request."""

    prompt_tokens: int = 0
    samples: list[PoolSample] = field(default_factory=list[PoolSample])


class Shelves:
    """Everything that is kept."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Shelf] = {}
        self._prompts: dict[Key, int] = {}
        self._cached: defaultdict[Key, int] = defaultdict(int)

    def keep(self, row: PoolRow) -> None:
        """Put a row's samples behind those of the same request."""
        conversation = said(row.conversation, row.tools)
        shelf = self.by_key.setdefault(key_of_row(row), Shelf())
        shelf.prompt_tokens = row.prompt_tokens
        shelf.samples.extend(row.samples)
        self._prompts[conversation] = row.prompt_tokens
        self._cached[conversation] = max(self._cached[conversation], row.cached_prompt_tokens)

    def find(self, request: Request) -> Shelf | None:
        """What is kept of a request, if anything is."""
        return self.by_key.get(key_of(request))

    def prompt_tokens(self, request: Request) -> int | None:
        """Tokens of its prompt, whatever it was sampled by; None for a prompt never recorded."""
        return self._prompts.get(said(request.messages, request.tools))

    def cached(self, request: Request, replay: Replay) -> int:
        """Tokens of its prompt that the prefix cache serves by now: a solve's first request for a
        prompt reads it anew; from then on, and in questions about an answer, as recorded."""
        prompt = said(request.messages, request.tools)
        is_held = prompt in replay.read or _is_question(request.messages)
        replay.read.add(prompt)
        return self._cached[prompt] if is_held else 0


def is_kept(request: Request) -> bool:
    """Whether a request can be recorded: what has stop strings, a schema or a partial answer
    depends on its own past, and rows know nothing of further settings, or of how tools are to be
    chosen."""
    special = request.sampling or request.schema is not None or _chooses_tools(request)
    return not (request.stop or request.continue_partial or special)


def _chooses_tools(request: Request) -> bool:
    """Whether it says more of tools than which there are."""
    return request.tool_choice is not None or request.parallel_calls is not None


def key_of(request: Request) -> Key:
    """What two requests for the same samples have in common."""
    read = request.max_tokens if request.max_tokens <= READ_TOKENS else None
    sampling = (request.temperature, request.top_p, request.choices, read)
    return _key(said(request.messages, request.tools), *sampling)


def key_of_row(row: PoolRow) -> Key:
    """The key of the requests that a row's samples answer."""
    read = row.max_tokens if row.max_tokens <= READ_TOKENS else None
    conversation = said(row.conversation, row.tools)
    return _key(conversation, row.temperature, row.top_p, row.choices, read)


def in_order(samples: Iterable[T], key: Key, seed: int) -> list[T]:
    """A request's samples in the order of a seed, which is another one for each request."""
    listed = list(samples)
    random.Random(f"{seed}/{key}").shuffle(listed)
    return listed


def said(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> Key:
    """A conversation's digest, with what can be called in it."""
    words = repr(
        [(message["role"], message["content"], *_calling(message)) for message in messages]
    )
    words += json.dumps(list(tools), sort_keys=True) if tools else ""
    return hashlib.blake2b(words.encode(), digest_size=12).hexdigest()


def _calling(message: Message) -> tuple[object, ...]:
    """What a message says of calls besides its text, where it does."""
    told = (message.get("tool_calls"), message.get("tool_call_id"))
    return told if any(told) else ()


def drawn(shelf: Shelf, request: Request, replay: Replay) -> list[PoolSample]:
    """The next samples, as the request would have cut them; a greedy one is the same each time.
    Fewer than asked for where there are no more."""
    first = start_of(request, replay)
    replay.draws[key_of(request)] = first + request.n
    return [one.cut(request.max_tokens) for one in shelf.samples[first : first + request.n]]


def start_of(request: Request, replay: Replay) -> int:
    """How many of its samples the solve has had."""
    return 0 if request.temperature == 0 else replay.draws.get(key_of(request), 0)


def pieces(samples: Sequence[PoolSample], size: int) -> Iterator[list[Delta]]:
    """The samples side by side, `size` tokens of each at a time."""
    for start in range(0, max((1, *(one.tokens for one in samples))), size):
        yield [
            _piece(index, sample, start, start + size)
            for index, sample in enumerate(samples)
            if start == 0 or start < sample.tokens
        ]


def _piece(index: int, sample: PoolSample, start: int, end: int) -> Delta:
    end = min(end, sample.tokens)
    is_last = end == sample.tokens
    return Delta(
        index=index,
        text=sample.text[sample.offset(start) : None if is_last else sample.offset(end)],
        logprobs=sample.logprobs[start:end],
        confidences=sample.confidences[start:end],
        top_logprobs=(sample.alternatives,) if sample.alternatives else (),
        calls=_calls(sample) if is_last else (),
        tokens=end,
        finish=sample.finish if is_last else None,
    )


def _calls(sample: PoolSample) -> tuple[CallPiece, ...]:
    return tuple(
        CallPiece(index=index, id=f"call_{index}", name=one.name, arguments=one.arguments)
        for index, one in enumerate(sample.calls)
    )


def _is_question(messages: Sequence[Message]) -> bool:
    """Whether it asks about an answer, whose conversation the engine has just been through."""
    return any(message["role"] == "assistant" for message in messages)


def _key(
    conversation: Key, temperature: float, top_p: float, choices: Sequence[str], read: int | None
) -> Key:
    """Greedy decoding does not depend on top_p."""
    return repr((conversation, temperature, top_p if temperature else 1.0, tuple(choices), read))
