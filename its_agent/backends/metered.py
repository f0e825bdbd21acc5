"""The one door through which compute is bought: count, clamp, reserve, stream, settle."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from its_agent.backends.bill import Bill, Sample
from its_agent.backends.protocol import Backend, Request, Tokens
from its_agent.budget import Ledger, Reservation, Usage, compute_units
from its_agent.errors import (
    BackendError,
    BackendRefused,
    BackendUnreachable,
    BudgetExceeded,
    PromptTooLong,
)
from its_agent.events import Emitter, Generating, Spent

MIN_TOKENS = 16
"""A sample is not bought with less room than this, unless the request itself asks for less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What one request brought. Whatever ended it early, its samples are here."""

    samples: tuple[Sample, ...]
    usage: Usage
    failure: BackendError | None = None
    out_of_time: bool = False


@dataclass(slots=True, kw_only=True)
class Meter:
    """What the scopes of one solve share: prompts already read, and the engine's view of them."""

    read: set[int] = field(default_factory=set[int])
    engine_prompt_tokens: int = 0


class MeteredBackend:
    """A backend whose every token goes through one ledger."""

    def __init__(
        self,
        backend: Backend,
        ledger: Ledger,
        emit: Emitter,
        *,
        context: int,
        meter: Meter | None = None,
    ) -> None:
        """`context` is the model's context length in tokens."""
        self._backend = backend
        self._ledger = ledger
        self._emit = emit
        self._context = context
        self._meter = meter or Meter()

    @property
    def engine_prompt_tokens(self) -> int:
        """Prompt tokens so far as the engine's counter adds them up: once for every sample."""
        return self._meter.engine_prompt_tokens

    def within(self, scope: Ledger) -> MeteredBackend:
        """Return the same door, paid from a nested scope."""
        return MeteredBackend(
            self._backend, scope, self._emit, context=self._context, meter=self._meter
        )

    async def buy(self, request: Request, *, purpose: str) -> Purchase:
        """Send one request and settle what it used, whatever ends it.

        The request is shrunk to what is left first: fewer samples, then a lower `max_tokens`. A
        backend that fails, or the deadline, leaves the samples so far in the Purchase;
        cancellation passes through. Raises PromptTooLong where the context has no room for an
        answer, BudgetExceeded where the budget has none for one sample of MIN_TOKENS tokens.
        """
        prompt = await self._backend.count_prompt(request)
        request = self._fit(prompt, request)
        reservation = self._ledger.reserve(self._worst(prompt, request), purpose)
        bill = Bill(
            self._backend.relative_cost, request, prompt, hash_of(request) in self._meter.read
        )
        failure: BackendError | None = None
        out_of_time = False
        try:
            async with asyncio.timeout(self._ledger.remaining.seconds):
                await self._consume(request, bill, reservation, purpose)
        except TimeoutError:
            out_of_time = True
        except BackendError as error:
            failure = error
            bill.turned_away = isinstance(error, (BackendRefused, BackendUnreachable))
        finally:
            reservation.settle(bill.usage)
            self._meter.engine_prompt_tokens += bill.usage.prompt_tokens * request.n
            self._emit(Spent, purpose=purpose, usage=bill.usage)
        return Purchase(
            samples=bill.samples, usage=bill.usage, failure=failure, out_of_time=out_of_time
        )

    async def _consume(
        self, request: Request, bill: Bill, reservation: Reservation, purpose: str
    ) -> None:
        async with aclosing(self._backend.stream(request)) as items:
            async for item in items:
                if isinstance(item, Tokens):
                    bill.reported = item
                    continue
                self._meter.read.add(hash_of(request))
                if bill.take(item):
                    reservation.release(bill.rest_of(item))
                self._emit(Generating, purpose=purpose, running=bill.running, tokens=bill.generated)

    def _fit(self, prompt: int, request: Request) -> Request:
        least = min(MIN_TOKENS, request.max_tokens)
        room = self._context - prompt
        if room < least:
            raise PromptTooLong(
                f"the prompt has {prompt:,} tokens and the model's context {self._context:,}; "
                f"at least {least} must be left for the answer: shorten the problem"
            )
        request = replace(request, max_tokens=min(request.max_tokens, room))
        while request.n > 1 and self._shortfall(prompt, request):
            request = replace(request, n=request.n - 1)
        if self._shortfall(prompt, request) is None:
            return request
        return self._shorter(prompt, request, least)

    def _shorter(self, prompt: int, request: Request, least: int) -> Request:
        shortfall = self._shortfall(prompt, replace(request, max_tokens=least))
        if shortfall is not None:
            raise shortfall
        longest = bisect_left(
            range(least + 1, request.max_tokens + 1),
            True,
            key=lambda m: self._shortfall(prompt, replace(request, max_tokens=m)) is not None,
        )
        return replace(request, max_tokens=least + longest)

    def _shortfall(self, prompt: int, request: Request) -> BudgetExceeded | None:
        return self._ledger.shortfall(self._worst(prompt, request))

    def _worst(self, prompt: int, request: Request) -> Usage:
        completion = request.n * request.max_tokens
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            requests=1,
            compute=compute_units(
                prompt=prompt,
                cached=0,
                completion=completion,
                relative_cost=self._backend.relative_cost,
            ),
        )


def hash_of(request: Request) -> int:
    """Tell prompts apart that the prefix cache tells apart."""
    return hash(tuple(tuple(sorted((k, str(v)) for k, v in m.items())) for m in request.messages))
