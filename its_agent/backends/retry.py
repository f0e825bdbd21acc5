"""When a failed request is made again: rarely, later, smaller, and only where it can succeed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from its_agent.backends.protocol import Request
from its_agent.errors import (
    BackendError,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    CannotDo,
)

T = TypeVar("T")

BUSY = (429, 503)
BROKEN = (500, 502, 504)
TRIES_BUSY = 5
TRIES_BROKEN = 3
TRIES_LOST = 2
TRIES_UNABLE = 6
"""Most requests in all for one purchase, by what went wrong the last time."""
FIRST_WAIT = 0.5
INDISPENSABLE = ("continue_partial",)
"""Capabilities without which a request makes no sense."""
LONGEST_WAIT = 30.0
"""Seconds; a server that asks for longer is waited for no longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The next try: after this many seconds, this request."""

    wait: float
    request: Request


def next_try(request: Request, failure: BackendError, *, tries: int, missing: int) -> Retry | None:
    """Say whether and how to try again after `tries` requests; `missing` samples have not ended.

    Waits grow exponentially with full jitter, unless the server says how long. A busy server is
    asked for half as many samples.
    """
    match failure:
        case CannotDo(capability=capability):
            if capability in INDISPENSABLE or tries >= TRIES_UNABLE:
                return None
            return Retry(wait=0.0, request=without(request, capability))
        case BackendRefused(status=status):
            wait = wait_of(failure, tries)
            fewer = max(1, request.n // 2) if status in BUSY else request.n
            return None if wait is None else Retry(wait=wait, request=replace(request, n=fewer))
        case BackendUnreachable() if tries < TRIES_BROKEN:
            return Retry(wait=_wait(None, tries), request=request)
        case BackendLost() if tries < TRIES_LOST and missing:
            return Retry(wait=_wait(None, tries), request=replace(request, n=missing))
        case _:
            return None


def wait_of(refused: BackendRefused, tries: int) -> float | None:
    """Seconds after which a server that is busy or in trouble is asked again; None for never."""
    if refused.status in BUSY and tries < TRIES_BUSY:
        return _wait(refused.retry_after, tries)
    if refused.status in BROKEN and tries < TRIES_BROKEN:
        return _wait(refused.retry_after, tries)
    return None


async def insistent(work: Callable[[], Awaitable[T]]) -> T:
    """Do something that costs nothing, and again while the server is busy or in trouble. Raises
    the BackendError that is left."""
    tries = 1
    while True:
        try:
            return await work()
        except BackendRefused as refused:
            wait = wait_of(refused, tries)
            if wait is None:
                raise
        await asyncio.sleep(wait)
        tries += 1


def without(request: Request, capability: str) -> Request:
    """The request as a server can take it that lacks this capability."""
    match capability:
        case "n":
            return replace(request, n=1)
        case "structured":
            return replace(request, schema=None, choices=())
        case "thinking_budget":
            return replace(request, thinking_tokens=None)
        case "top_logprobs" | "logprobs":
            return replace(request, top_logprobs=0)
        case _:
            return request


def _wait(asked: float | None, tries: int) -> float:
    if asked is not None:
        return min(max(0.0, asked), LONGEST_WAIT)
    return random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**tries))
