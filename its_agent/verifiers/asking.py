"""How scorers ask: many questions side by side, each answered with a reading."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from its_agent.backends.account import Account
from its_agent.backends.protocol import Backend, Request
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.errors import BackendError
from its_agent.verifiers.protocol import Conversation, Reading

TOP_LOGPROBS = 20
"""Alternatives that are read of one token; what most servers tell at most."""

Read: TypeAlias = Callable[[Sequence[Sample]], Reading]


async def ask_each(
    account: Account, requests: Sequence[Request], read: Read, *, at: Backend | None = None
) -> list[Reading]:
    """Ask all at once, and read what comes; an engine that fails is "broken" and noted, a question
    that the budget has no room for is "unknown"."""
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask_one(account, one, read, at=at)) for one in requests]
    return [task.result() for task in asking]


async def ask_one(
    account: Account, request: Request, read: Read, *, at: Backend | None = None
) -> Reading:
    """Ask one question; see `ask_each`."""
    try:
        samples = await account.ask(request, at=at)
    except BackendError as error:
        account.notes.append(str(error))
        return "broken"
    return read(samples) if samples else "unknown"


def one_token(conversation: Conversation) -> Request:
    """A request whose answer is read off the alternatives to its first token."""
    return Request(
        messages=conversation,
        max_tokens=1,
        temperature=0.0,
        top_p=1.0,
        top_logprobs=TOP_LOGPROBS,
    )


def mass(alternatives: Mapping[str, float], *words: str) -> float:
    """The probability of the tokens that read as one of these words, in any case."""
    return sum(
        math.exp(logprob)
        for token, logprob in alternatives.items()
        if token.strip().casefold() in words
    )


def question_of(conversation: Conversation) -> str:
    """What was asked: the last user message before the solution."""
    users = [message for message in conversation if message["role"] == "user"]
    return str(users[-1]["content"])


def solution_of(conversation: Conversation) -> str:
    """The solution: the assistant's last message."""
    return str(conversation[-1]["content"])


def priced(prompt: int, completion: int, *, requests: int = 1, cost: float = 1.0) -> Usage:
    """The usage of questions none of whose tokens are cached."""
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        requests=requests,
        compute=math.ceil((prompt + completion) * cost),
    )
