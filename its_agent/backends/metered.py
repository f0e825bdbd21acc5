"""The one door through which compute is bought: count, fit, reserve, stream, settle, try again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import TypeAlias, TypeVar

from its_agent.backends.bill import Bill, Sample
from its_agent.backends.fitting import Fitting
from its_agent.backends.meter import Meter
from its_agent.backends.protocol import (
    Backend,
    Capability,
    Offer,
    PromptBound,
    Request,
    Revivable,
    Tokens,
    prompt_bound,
)
from its_agent.backends.purchase import EndOfTime, Interruption, Purchase, Read
from its_agent.backends.retry import Retry, insistent, next_try
from its_agent.backends.telling import said, tell_bill, tell_request
from its_agent.budget import Budget, Usage
from its_agent.errors import (
    BackendError,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    BudgetExceeded,
    CannotDo,
    InvalidInput,
    PromptTooLong,
)
from its_agent.events import Emitter, Generating, Retrying, Spent
from its_agent.ledger import Ledger, Remaining, Reservation
from its_agent.stop_signal import StopSignal

T = TypeVar("T")

ROOMY_CONTEXT = 1 << 20
"""Taken for the context of a backend that does not tell it."""

ALONE = ("estimate", "generate")
"""Purposes whose requests have the ledger to themselves, or were planned to fit side by side with
their prompts' bounds; of others one would hold back what another is about to need."""

Watch: TypeAlias = Callable[[Sample], None]
"""Sees every sample as it ends, before its request does."""


class MeteredBackend:
    """A backend whose every token goes through one ledger."""

    def __init__(
        self,
        backend: Backend,
        ledger: Ledger,
        emit: Emitter,
        *,
        offer: Offer,
        stop: StopSignal | None = None,
        meter: Meter | None = None,
        durable: bool = False,
    ) -> None:
        """`stop` aborts everything that is bought through this door. With `durable` a purchase
        that is tried again costs no more than `worst` says: that is what a run is charged which
        was killed meanwhile."""
        self.meter = meter or Meter()
        self._backend = backend
        self._ledger = ledger
        self._emit = emit
        self._offer = offer
        self._fitting = Fitting(
            ledger=ledger,
            context=offer.fingerprint.context_length or ROOMY_CONTEXT,
            relative_cost=backend.relative_cost,
        )
        self._stop = stop or StopSignal()
        self._durable = durable

    def within(self, scope: Ledger) -> MeteredBackend:
        """Return the same door, paid from a nested scope."""
        return MeteredBackend(
            self._backend,
            scope,
            self._emit,
            offer=self._offer,
            stop=self._stop,
            meter=self.meter,
            durable=self._durable,
        )

    async def at(self, backend: Backend) -> MeteredBackend:
        """Return the door to another model, paid from the same ledger. Raises a BackendError where
        it does not say what it is, and BudgetExceeded when the time is up."""
        if backend is self._backend:
            return self
        return self.to(backend, await self.in_time(backend.offer))

    def to(self, backend: Backend, offer: Offer) -> MeteredBackend:
        """Return the door to another model that has been met, paid from the same ledger."""
        return MeteredBackend(
            backend,
            self._ledger,
            self._emit,
            offer=offer,
            stop=self._stop,
            meter=Meter(of_solve=self.meter),
            durable=self._durable,
        )

    async def read(
        self, work: Callable[[], Awaitable[tuple[T, Usage]]], *, worst: Usage, purpose: str
    ) -> Read[T]:
        """Do one piece of work that is not streamed and tells its usage at its end, such as reading
        a text's log-probabilities. Where it is cut off or fails after it was taken on, `worst` is
        charged, as a bound.

        Raises BudgetExceeded where the budget has no room for `worst`, and the InvalidInput with
        which the engine turned the work away.
        """
        failure: BackendError | None = None
        interrupted: EndOfTime | None = None
        value: T | None = None
        reservation: Reservation | None = None
        usage = worst
        try:
            async with self.until_the_end():
                _, reservation = await self._ledger.acquire(partial(self._whole, worst), purpose)
                value, usage = await work()
        except TimeoutError:
            interrupted = self.interruption
        except (BackendRefused, BackendUnreachable) as turned_away:
            failure, usage = turned_away, Usage(requests=1)
        except BackendError as error:
            failure = error
        except InvalidInput:
            usage = Usage(requests=1)
            raise
        finally:
            if reservation is not None:
                reservation.settle(usage)
                self.meter.count(
                    engine_prompt_tokens=usage.prompt_tokens,
                    unseen_tokens=usage.completion_tokens + usage.prompt_tokens
                    if usage is worst
                    else 0,
                )
                self._emit(Spent, request=None, purpose=purpose, usage=usage, failure=said(failure))
        paid = Usage() if reservation is None else usage
        return Read(value=value, usage=paid, failure=failure, interrupted=interrupted)

    def _whole(self, worst: Usage, left: Remaining) -> tuple[None, Usage]:
        shortfall = self._ledger.shortfall(worst, left)
        if shortfall is not None:
            raise shortfall
        return None, worst

    def can(self, capability: Capability) -> bool:
        """Whether the backend offers it and has not refused it so far."""
        return capability in self._offer.capabilities and capability not in self.meter.lacks

    def until_the_end(self) -> AbstractAsyncContextManager[object]:
        """Let work go on until the solve has to end; then it is cancelled by a TimeoutError."""
        return self._stop.guard(self._ledger.seconds_left)

    @property
    def interruption(self) -> EndOfTime:
        """Why the solve has to end, once it has to."""
        return "cancelled" if self._stop.is_set else "deadline"

    async def in_time(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something that costs nothing. Raises BudgetExceeded when the time is up."""
        try:
            async with self.until_the_end():
                return await work()
        except TimeoutError:
            raise self._out_of_time() from None

    async def count_prompt(self, request: Request) -> int:
        """Count a prompt. Raises BudgetExceeded when the time is up."""
        count = partial(self._backend.count_prompt, request)
        return await self.in_time(partial(insistent, count))

    async def price(self, request: Request) -> Usage:
        """What the request costs at most, whatever is left. Raises BudgetExceeded when the time is
        up, and the BackendError of a backend that cannot count."""
        return self._fitting.worst(await self.count_prompt(request), request)

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """What is known of a prompt's length without asking; None where nothing is."""
        return prompt_bound(self._backend, request)

    async def worst(self, request: Request) -> Usage:
        """What the request would reserve now, and what reading its prompt once more costs, as it
        may be tried again. Raises what `buy` raises before it sends it."""
        prompt = await self.count_prompt(request)
        once = self._fitting.fit(prompt, request, self._ledger.remaining)[1]
        return once + self._fitting.read_again(prompt)

    async def buy(
        self,
        request: Request,
        *,
        purpose: str,
        watch: Watch | None = None,
        decided: StopSignal | None = None,
    ) -> Purchase:
        """Make one request and settle what it used, whatever ends it; see `next_try` for what is
        tried again.

        The request is shrunk to what is left first: fewer samples, then a lower `max_tokens`; it
        waits while only others' reservations are in its way. A backend that fails, the deadline,
        or the signal `decided` leaves the samples so far in the Purchase; cancellation passes
        through. Raises PromptTooLong where the context has no room for an answer, BudgetExceeded
        where the budget has none for one sample of MIN_TOKENS tokens.
        """
        bought = last = await self._try(request, purpose, watch, decided)
        tries = 1
        while last.failure is not None:
            ended = sum(sample.finish != "aborted" for sample in last.samples)
            again = next_try(request, last.failure, tries=tries, missing=request.n - ended)
            if again is None:
                break
            door = self._for_the_rest(bought) if self._durable else self
            last = await door._again(again, last.failure, purpose, watch, decided)
            bought += last
            request = again.request
            tries += 1
        return bought

    def _for_the_rest(self, bought: Purchase) -> MeteredBackend:
        """The door that pays from what a purchase has left of its worst case."""
        if not bought.usage.compute:
            return self
        left = max(1, bought.worst - bought.usage.compute)
        return self.within(self._ledger.scope(Budget(compute=left), name=self._ledger.name))

    async def _again(
        self,
        retry: Retry,
        failure: BackendError,
        purpose: str,
        watch: Watch | None,
        decided: StopSignal | None,
    ) -> Purchase:
        if isinstance(failure, CannotDo):
            self.meter.lacks.add(failure.capability)
        self._emit(Retrying, purpose=purpose, wait=retry.wait, why=str(failure))
        try:
            async with self.until_the_end():
                await self._recover(failure, retry.wait)
        except TimeoutError:
            return Purchase(interrupted=self.interruption, notes=(str(failure),))
        except BackendError as beyond_help:
            return Purchase(failure=beyond_help, notes=(str(failure),))
        try:
            made = await self._try(retry.request, purpose, watch, decided)
        except BudgetExceeded:
            return Purchase(notes=(f"{failure}; nothing is left to try again",))
        self.meter.count(retries=1)
        return replace(made, notes=(f"tried again after: {failure}", *made.notes))

    async def _recover(self, failure: BackendError, wait: float) -> None:
        broken = isinstance(failure, (BackendLost, BackendUnreachable)) or (
            isinstance(failure, BackendRefused) and failure.status >= 500
        )
        if broken and isinstance(self._backend, Revivable) and await self._backend.revive():
            return
        await asyncio.sleep(wait)

    async def _try(
        self, request: Request, purpose: str, watch: Watch | None, decided: StopSignal | None
    ) -> Purchase:
        failure: BackendError | None = None
        interrupted: Interruption | None = None
        bill: Bill | None = None
        reservation: Reservation | None = None
        worst = 0
        number = self._emit.number()
        try:
            async with self.until_the_end(), decided.guard() if decided else nullcontext():
                model = (await self._backend.offer()).fingerprint.model
                known = self._roomy(request, purpose)
                prompt = known or await self._counted(request)
                fit = partial(self._fitting.fit, prompt.tokens, request)
                request, reservation = await self._ledger.acquire(fit, purpose)
                if self._durable:
                    again = self._fitting.read_again(prompt.tokens)
                    worst = reservation.held.compute + again.compute
                seen = hash_of(request)
                bill = Bill(
                    self._backend.relative_cost,
                    request,
                    prompt.tokens,
                    read=seen in self.meter.read,
                    exact=prompt.is_exact,
                )
                tell_request(self._emit, number, request, purpose=purpose, model=model)
                await self._consume(request, seen, bill, reservation, number, watch)
                if known is not None and not known.is_exact:
                    await self._count_told(request, bill)
        except TimeoutError:
            interrupted = self._interruption(decided)
        except BackendError as error:
            failure = error
            if bill is not None:
                bill.turned_away = isinstance(error, (BackendRefused, BackendUnreachable))
        except PromptTooLong:
            if bill is not None:
                bill.turned_away = True
            raise
        finally:
            if bill is not None and reservation is not None:
                self._settle(bill, reservation, request, number, failure)
        if bill is None:
            return Purchase(failure=failure, interrupted=interrupted)
        return Purchase(
            samples=bill.samples,
            usage=bill.usage,
            failure=failure,
            interrupted=interrupted,
            notes=bill.disputes,
            worst=worst,
        )

    def _roomy(self, request: Request, purpose: str) -> PromptBound | None:
        """What is known of the prompt, where it decides nothing: the request fits as it is."""
        known = self.prompt_bound(request)
        if known is None or known.is_exact:
            return known
        # Without `n` samples are bought side by side that were planned as one request.
        is_alone = purpose in ALONE and self.can("n")
        return known if is_alone and self._fitting.fits_whole(known.tokens, request) else None

    async def _counted(self, request: Request) -> PromptBound:
        tokens = await insistent(partial(self._backend.count_prompt, request))
        offer = await self._backend.offer()
        return PromptBound(tokens=tokens, is_exact="count_prompt" in offer.capabilities)

    async def _count_told(self, request: Request, bill: Bill) -> None:
        """Take the count that a whole answer has told, and ask for one that it has not; where none
        is to be had the bound is charged, as an estimate."""
        self._take_count(request, bill)
        if not bill.prompt_is_exact:
            with suppress(BackendError):
                await self._backend.count_prompt(request)

    def _take_count(self, request: Request, bill: Bill) -> None:
        """Charge the prompt's count instead of a bound, once it is known."""
        known = None if bill.prompt_is_exact else self.prompt_bound(request)
        if known is not None and known.is_exact:
            bill.counted(known.tokens)

    async def _consume(
        self,
        request: Request,
        seen: int,
        bill: Bill,
        reservation: Reservation,
        number: int,
        watch: Watch | None,
    ) -> None:
        async with aclosing(self._backend.stream(request)) as items:
            async for item in items:
                if isinstance(item, Tokens):
                    bill.reported = item
                    continue
                self.meter.read.add(seen)
                ended = bill.take(item)
                if ended is not None:
                    if item.finish is not None and not item.estimated:
                        reservation.release(bill.rest_of(ended))
                    if watch is not None:
                        watch(ended)
                if self._emit.is_heard:
                    self._emit(
                        Generating,
                        request=number,
                        purpose=reservation.purpose,
                        running=bill.running,
                        tokens=bill.generated,
                        index=item.index,
                        text=item.text,
                        calls=item.calls,
                    )
                if request.stop and bill.overrun:
                    return
            bill.ended = True

    def _settle(
        self,
        bill: Bill,
        reservation: Reservation,
        request: Request,
        number: int,
        failure: BackendError | None,
    ) -> None:
        self._take_count(request, bill)
        usage = bill.usage
        reservation.settle(usage)
        self.meter.count(
            engine_prompt_tokens=usage.prompt_tokens * request.n,
            unseen_tokens=bill.unseen,
            estimated_tokens=bill.estimated,
        )
        if bill.answered_one:
            self.meter.lacks.add("n")
        tell_bill(self._emit, number, bill, purpose=reservation.purpose, failure=failure)

    def _interruption(self, decided: StopSignal | None) -> Interruption:
        is_decided = decided is not None and decided.is_set
        return "decided" if is_decided and not self._stop.is_set else self.interruption

    def _out_of_time(self) -> BudgetExceeded:
        left = self._ledger.seconds_left
        return BudgetExceeded(
            limit="seconds", requested=0, remaining=left or 0, scope=self._ledger.name
        )


def hash_of(request: Request) -> int:
    """Tell prompts apart that the prefix cache tells apart."""
    messages = tuple(tuple(sorted((k, str(v)) for k, v in m.items())) for m in request.messages)
    return hash((messages, str(request.tools), request.thinking))
