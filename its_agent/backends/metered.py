"""The one door through which compute is bought: count, fit, reserve, stream, settle, try again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from its_agent.backends.fitting import Fitting
from its_agent.backends.meter import Meter
from its_agent.backends.protocol import (
    Backend,
    Capability,
    Offer,
    PromptBound,
    Request,
    Revivable,
)
from its_agent.backends.purchase import EndOfTime, Purchase, Read
from its_agent.backends.retry import Retry, insistent, next_try
from its_agent.backends.telling import said
from its_agent.backends.till import Till, Watch
from its_agent.budget import Budget, Usage
from its_agent.errors import (
    BackendError,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    BudgetExceeded,
    CannotDo,
    InvalidInput,
)
from its_agent.events import Emitter, Retrying, Spent
from its_agent.ledger import Ledger, Remaining, Reservation
from its_agent.stop_signal import StopSignal

T = TypeVar("T")

ROOMY_CONTEXT = 1 << 20
"""Taken for the context of a backend that does not tell it."""


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
        self._till = Till(
            backend=backend,
            ledger=ledger,
            emit=emit,
            offer=offer,
            fitting=Fitting(
                ledger=ledger,
                context=offer.fingerprint.context_length or ROOMY_CONTEXT,
                relative_cost=backend.relative_cost,
            ),
            stop=stop or StopSignal(),
            meter=self.meter,
            durable=durable,
        )

    def within(self, scope: Ledger) -> MeteredBackend:
        """Return the same door, paid from a nested scope."""
        till = self._till
        return self._door(till.backend, till.offer, ledger=scope, meter=self.meter)

    async def at(self, backend: Backend) -> MeteredBackend:
        """Return the door to another model, paid from the same ledger. Raises a BackendError where
        it does not say what it is, and BudgetExceeded when the time is up."""
        if backend is self._till.backend:
            return self
        return self.to(backend, await self.in_time(backend.offer))

    def to(self, backend: Backend, offer: Offer) -> MeteredBackend:
        """Return the door to another model that has been met, paid from the same ledger."""
        meter = Meter(of_solve=self.meter)
        return self._door(backend, offer, ledger=self._till.ledger, meter=meter)

    def _door(
        self, backend: Backend, offer: Offer, *, ledger: Ledger, meter: Meter
    ) -> MeteredBackend:
        till = self._till
        return MeteredBackend(
            backend,
            ledger,
            till.emit,
            offer=offer,
            stop=till.stop,
            meter=meter,
            durable=till.durable,
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
                _, reservation = await self._till.ledger.acquire(
                    partial(self._whole, worst), purpose
                )
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
                self._till.emit(
                    Spent, request=None, purpose=purpose, usage=usage, failure=said(failure)
                )
        paid = Usage() if reservation is None else usage
        return Read(value=value, usage=paid, failure=failure, interrupted=interrupted)

    def _whole(self, worst: Usage, left: Remaining) -> tuple[None, Usage]:
        shortfall = self._till.ledger.shortfall(worst, left)
        if shortfall is not None:
            raise shortfall
        return None, worst

    def can(self, capability: Capability) -> bool:
        """Whether the backend offers it and has not refused it so far."""
        return self._till.can(capability)

    def until_the_end(self) -> AbstractAsyncContextManager[object]:
        """Let work go on until the solve has to end; then it is cancelled by a TimeoutError."""
        return self._till.until_the_end()

    @property
    def interruption(self) -> EndOfTime:
        """Why the solve has to end, once it has to."""
        return self._till.interruption

    async def in_time(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something that costs nothing. Raises BudgetExceeded when the time is up."""
        try:
            async with self.until_the_end():
                return await work()
        except TimeoutError:
            raise self._out_of_time() from None

    async def count_prompt(self, request: Request) -> int:
        """Count a prompt. Raises BudgetExceeded when the time is up."""
        count = partial(self._till.backend.count_prompt, request)
        return await self.in_time(partial(insistent, count))

    async def price(self, request: Request) -> Usage:
        """What the request costs at most, whatever is left. Raises BudgetExceeded when the time is
        up, and the BackendError of a backend that cannot count."""
        return self._till.fitting.worst(await self.count_prompt(request), request)

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """What is known of a prompt's length without asking; None where nothing is."""
        return self._till.prompt_bound(request)

    async def worst(self, request: Request) -> Usage:
        """What the request would reserve now, and what reading its prompt once more costs, as it
        may be tried again. Raises what `buy` raises before it sends it."""
        prompt = await self.count_prompt(request)
        once = self._till.fitting.fit(prompt, request, self._till.ledger.remaining)[1]
        return once + self._till.fitting.read_again(prompt)

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
        bought = last = await self._till.make(request, purpose, watch, decided)
        tries = 1
        while last.failure is not None:
            ended = sum(sample.finish != "aborted" for sample in last.samples)
            again = next_try(request, last.failure, tries=tries, missing=request.n - ended)
            if again is None:
                break
            door = self._for_the_rest(bought) if self._till.durable else self
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
        return self.within(
            self._till.ledger.scope(Budget(compute=left), name=self._till.ledger.name)
        )

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
        self._till.emit(Retrying, purpose=purpose, wait=retry.wait, why=str(failure))
        try:
            async with self.until_the_end():
                await self._recover(failure, retry.wait)
        except TimeoutError:
            return Purchase(interrupted=self.interruption, notes=(str(failure),))
        except BackendError as beyond_help:
            return Purchase(failure=beyond_help, notes=(str(failure),))
        try:
            made = await self._till.make(retry.request, purpose, watch, decided)
        except BudgetExceeded:
            return Purchase(notes=(f"{failure}; nothing is left to try again",))
        self.meter.count(retries=1)
        return replace(made, notes=(f"tried again after: {failure}", *made.notes))

    async def _recover(self, failure: BackendError, wait: float) -> None:
        broken = isinstance(failure, (BackendLost, BackendUnreachable)) or (
            isinstance(failure, BackendRefused) and failure.status >= 500
        )
        if (
            broken
            and isinstance(self._till.backend, Revivable)
            and await self._till.backend.revive()
        ):
            return
        await asyncio.sleep(wait)

    def _out_of_time(self) -> BudgetExceeded:
        left = self._till.ledger.seconds_left
        return BudgetExceeded(
            limit="seconds", requested=0, remaining=left or 0, scope=self._till.ledger.name
        )
