"""A backend that goes wrong on purpose, on top of another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal, TypeAlias

from its_agent.backends.protocol import (
    Backend,
    Capability,
    Offer,
    PromptBound,
    Request,
    StreamItem,
    Tokens,
    prompt_bound,
)
from its_agent.errors import (
    BackendGarbled,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    CannotDo,
    PromptTooLong,
)

Kind = Literal[
    "refused",
    "unreachable",
    "cannot",
    "too_long",
    "lost",
    "garbled",
    "hangs",
    "slow",
    "no_usage",
    "wrong_usage",
    "one_choice",
    "ignores_max_tokens",
    "ignores_stop",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request."""

    kind: Kind
    after: int = 0
    """Items that come through before "lost", "garbled" or "hangs"."""
    seconds: float = 0.0
    """How slow the first token of "slow" is; how long "refused" asks to wait; how long "hangs" is
    silent before the connection is given up."""
    status: int = 503
    capability: Capability = "n"
    factor: float = 0.0
    """What "wrong_usage" multiplies the counts with."""


Schedule: TypeAlias = Callable[[int, Request], Fault | None]
"""The fault of a request, by its place among all requests, from 0."""
PageSchedule: TypeAlias = Callable[[int], Fault | None]
"""The fault of a call that generates nothing, by its place among those, from 0."""


class FaultyBackend:
    """Passes requests on, each with the fault that the schedule has for it, and what the backend is
    asked about itself and about prompts, with those of `pages`.

    A server that ignores `max_tokens`, stop strings or `n` is played by asking the inner backend
    without them.
    """

    def __init__(
        self, inner: Backend, schedule: Schedule, *, pages: PageSchedule = lambda place: None
    ) -> None:
        self._inner = inner
        self._schedule = schedule
        self._pages = pages
        self._asked = 0
        self._looked = 0

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of this model costs."""
        return self._inner.relative_cost

    async def offer(self) -> Offer:
        """Say what the inner backend is."""
        await self._look()
        return await self._inner.offer()

    async def count_prompt(self, request: Request) -> int:
        """Count as the inner backend does."""
        await self._look()
        return await self._inner.count_prompt(request)

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """Tell what the inner backend knows of the prompt's length."""
        return prompt_bound(self._inner, request)

    async def supply(self, request: Request) -> int | None:
        """Say how many samples the inner backend has."""
        return await self._inner.supply(request)

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Generate until the fault strikes; raises a BackendError or PromptTooLong."""
        fault = self._schedule(self._asked, request)
        self._asked += 1
        if fault is None:
            fault = Fault(kind="slow")
        _refuse(fault)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        places = count()
        async with aclosing(self._inner.stream(_disobeyed(request, fault))) as items:
            if fault.after == next(places):
                await _break_off(fault)
            async for item in items:
                kept = _garbled(item, fault)
                if kept is not None:
                    yield kept
                if fault.after == next(places):
                    await _break_off(fault)

    async def aclose(self) -> None:
        """Close the inner backend."""
        await self._inner.aclose()

    async def _look(self) -> None:
        fault = self._pages(self._looked)
        self._looked += 1
        if fault is not None:
            _refuse(fault)
            if fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            await _break_off(fault)


def _refuse(fault: Fault) -> None:
    match fault.kind:
        case "refused":
            raise BackendRefused(
                f"status {fault.status}", status=fault.status, retry_after=fault.seconds or None
            )
        case "unreachable":
            raise BackendUnreachable("nothing answers")
        case "cannot":
            raise CannotDo("not supported", status=400, capability=fault.capability)
        case "too_long":
            raise PromptTooLong("the prompt is longer than the context")
        case _:
            return


async def _break_off(fault: Fault) -> None:
    match fault.kind:
        case "lost":
            raise BackendLost("the engine is gone")
        case "garbled":
            raise BackendGarbled("that was no JSON")
        case "hangs":
            await asyncio.sleep(fault.seconds)
            raise BackendLost("the server was silent for too long")
        case _:
            return


def _disobeyed(request: Request, fault: Fault) -> Request:
    match fault.kind:
        case "ignores_max_tokens":
            return replace(request, max_tokens=1 << 20)
        case "ignores_stop":
            return replace(request, stop=())
        case "one_choice":
            return replace(request, n=1)
        case _:
            return request


def _garbled(item: StreamItem, fault: Fault) -> StreamItem | None:
    if isinstance(item, Tokens):
        if fault.kind == "no_usage":
            return None
        if fault.kind == "wrong_usage":
            return Tokens(
                prompt=int(item.prompt * fault.factor),
                cached_prompt=int(item.cached_prompt * fault.factor),
                completion=int(item.completion * fault.factor),
            )
    return item
