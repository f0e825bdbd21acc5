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
    Delta,
    Offer,
    PromptBound,
    Request,
    StreamItem,
    Tokens,
    count_text,
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
    "uncounted",
    "wrong_usage",
    "one_choice",
    "ignores_max_tokens",
    "ignores_stop",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request."""

    kind: Kind
    """"no_usage" keeps back the final count alone, "uncounted" all from which it follows."""
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
        self._tokens: dict[str, int] = {}
        """Of texts that came through uncounted."""
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

    async def count_text(self, text: str) -> int | None:
        """Count a text's tokens: what the inner backend made of one that came through uncounted."""
        await self._look()
        made = self._tokens.get(text)
        return await count_text(self._inner, text) if made is None else made

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
        places, written = count(), [""] * request.n
        async with aclosing(self._inner.stream(_disobeyed(request, fault))) as items:
            if fault.after == next(places):
                await _break_off(fault)
            async for item in items:
                if fault.kind == "uncounted" and isinstance(item, Delta):
                    written[item.index] += item.text
                    item = self._uncounted(item, written[item.index], request)
                kept = _garbled(item, fault)
                if kept is not None:
                    yield kept
                if fault.after == next(places):
                    await _break_off(fault)

    async def aclose(self) -> None:
        """Close the inner backend."""
        await self._inner.aclose()

    def _uncounted(self, delta: Delta, written: str, request: Request) -> Delta:
        """The piece as it is read from a server that tells no counts: estimated from above."""
        self._tokens[written] = max(delta.tokens, self._tokens.get(written, 0))
        return replace(
            delta,
            logprobs=(),
            lengths=(),
            top_logprobs=(),
            tokens=min(2 * delta.tokens, request.max_tokens),
            estimated=bool(delta.text or delta.calls),
        )

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
        if fault.kind in ("no_usage", "uncounted"):
            return None
        if fault.kind == "wrong_usage":
            return Tokens(
                prompt=int(item.prompt * fault.factor),
                cached_prompt=int(item.cached_prompt * fault.factor),
                completion=int(item.completion * fault.factor),
            )
    return item
