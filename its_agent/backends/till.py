"""One request at the door: count, fit, reserve, stream, settle."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from its_agent.backends.bill import Bill
from its_agent.backends.fitting import Fitting
from its_agent.backends.meter import Meter
from its_agent.backends.protocol import (
    Backend,
    Capability,
    Offer,
    PromptBound,
    Request,
    Tokens,
    count_text,
    prompt_bound,
)
from its_agent.backends.purchase import EndOfTime, Interruption, Purchase
from its_agent.backends.retry import insistent
from its_agent.backends.sample import Sample
from its_agent.backends.telling import tell_bill, tell_request
from its_agent.errors import (
    BackendError,
    BackendRefused,
    BackendUnreachable,
    InvalidInput,
    PromptTooLong,
)
from its_agent.events import Emitter, Generating
from its_agent.ledger import Ledger, Reservation
from its_agent.stop_signal import StopSignal
from its_agent.timers import TimeLimit

ALONE = ("estimate", "generate")
"""Purposes whose requests have the ledger to themselves, or were planned to fit side by side with
their prompts' bounds; of others one would hold back what another is about to need."""

TOKENIZER_SECONDS = 5.0
"""For counting what a server without usage has made; it may be the one that just failed."""

Watch: TypeAlias = Callable[[Sample], None]
"""Sees every sample as it ends, before its request does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A request as it was sent, which is to be settled."""

    number: int
    model: str
    request: Request
    seen: int
    """What its prompt is known by."""
    bill: Bill
    reservation: Reservation
    is_bounded: bool
    """Its prompt is not counted yet."""
    worst: int


@dataclass(slots=True)
class _Course:
    """How far a request got."""

    order: _Order | None = None
    failure: BackendError | None = None
    interrupted: Interruption | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """Where requests to one backend are paid from one ledger."""

    backend: Backend
    ledger: Ledger
    emit: Emitter
    offer: Offer
    fitting: Fitting
    stop: StopSignal
    """Aborts everything."""
    meter: Meter
    durable: bool
    """What a purchase may cost in all is known when it is begun, tries again included."""

    def can(self, capability: Capability) -> bool:
        """Whether the backend offers it and has not refused it so far."""
        return capability in self.offer.capabilities and capability not in self.meter.lacks

    def until_the_end(self) -> AbstractAsyncContextManager[object]:
        """Let work go on until the solve has to end; then it is cancelled by a TimeoutError."""
        return self.stop.guard(self.ledger.seconds_left)

    @property
    def interruption(self) -> EndOfTime:
        """Why the solve has to end, once it has to."""
        return "cancelled" if self.stop.is_set else "deadline"

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """What is known of a prompt's length without asking; None where nothing is."""
        return prompt_bound(self.backend, request)

    async def make(
        self, request: Request, purpose: str, watch: Watch | None, decided: StopSignal | None
    ) -> Purchase:
        """Make one request, shrunk to what is left, and settle what it used, whatever ends it.
        Raises PromptTooLong and BudgetExceeded where nothing of it fits."""
        course = _Course()
        try:
            await self._run(course, request, purpose, watch, decided)
            if course.order is not None:
                await self._tokenize(course.order.bill)
        except PromptTooLong:
            if course.order is not None:
                course.order.bill.turned_away = True
            raise
        finally:
            if course.order is not None:
                self._settle(course.order, course.failure)
        if course.order is None:
            return Purchase(failure=course.failure, interrupted=course.interrupted)
        bill = course.order.bill
        return Purchase(
            samples=bill.samples,
            usage=bill.usage,
            failure=course.failure,
            interrupted=course.interrupted,
            notes=bill.disputes,
            worst=course.order.worst,
        )

    async def _run(
        self,
        course: _Course,
        request: Request,
        purpose: str,
        watch: Watch | None,
        decided: StopSignal | None,
    ) -> None:
        try:
            async with self.until_the_end(), decided.guard() if decided else nullcontext():
                number = self.emit.number()
                order = course.order = await self._place(number, request, purpose)
                tell_request(self.emit, number, order.request, purpose=purpose, model=order.model)
                await self._consume(order, watch)
                if order.is_bounded:
                    await self._count_told(order)
        except TimeoutError:
            course.interrupted = self._interruption(decided)
        except BackendError as error:
            course.failure = error
            if course.order is not None:
                turned_away = isinstance(error, (BackendRefused, BackendUnreachable))
                course.order.bill.turned_away = turned_away

    async def _place(self, number: int, request: Request, purpose: str) -> _Order:
        """Count, reserve, and open a bill."""
        model = (await self.backend.offer()).fingerprint.model
        known = self._roomy(request, purpose)
        prompt = known or await self._counted(request)
        fit = partial(self.fitting.fit, prompt.tokens, request)
        request, reservation = await self.ledger.acquire(fit, purpose)
        # Nothing may be awaited or told from here on until it is sure that the order is settled.
        seen = hash_of(request)
        bill = Bill(
            self.backend.relative_cost,
            request,
            prompt.tokens,
            read=seen in self.meter.read,
            exact=prompt.is_exact,
        )
        worst = reservation.held + self.fitting.read_again(prompt.tokens)
        return _Order(
            number=number,
            model=model,
            request=request,
            seen=seen,
            bill=bill,
            reservation=reservation,
            is_bounded=known is not None and not known.is_exact,
            worst=worst.compute if self.durable else 0,
        )

    def _roomy(self, request: Request, purpose: str) -> PromptBound | None:
        """What is known of the prompt, where it decides nothing: the request fits as it is."""
        known = self.prompt_bound(request)
        if known is None or known.is_exact:
            return known
        # Without `n` samples are bought side by side that were planned as one request.
        is_alone = purpose in ALONE and self.can("n")
        return known if is_alone and self.fitting.fits_whole(known.tokens, request) else None

    async def _counted(self, request: Request) -> PromptBound:
        tokens = await insistent(partial(self.backend.count_prompt, request))
        offer = await self.backend.offer()
        return PromptBound(tokens=tokens, is_exact="count_prompt" in offer.capabilities)

    async def _count_told(self, order: _Order) -> None:
        """Take the count that a whole answer has told, and ask for one that it has not; where none
        is to be had the bound is charged, as an estimate."""
        self._take_count(order)
        if not order.bill.prompt_is_exact:
            with suppress(BackendError):
                await self.backend.count_prompt(order.request)

    async def _tokenize(self, bill: Bill) -> None:
        """Have the tokenizer count what nobody has counted; where it cannot, or not at once, the
        estimate from above stays."""
        uncounted = bill.uncounted
        if not uncounted:
            return
        with suppress(BackendError, InvalidInput, TimeoutError):
            async with self.until_the_end(), TimeLimit(TOKENIZER_SECONDS):
                for index, text in uncounted.items():
                    count = await count_text(self.backend, text)
                    if count is not None:
                        bill.tokenized(index, count)

    def _take_count(self, order: _Order) -> None:
        """Charge the prompt's count instead of a bound, once it is known."""
        bill = order.bill
        known = None if bill.prompt_is_exact else self.prompt_bound(order.request)
        if known is not None and known.is_exact:
            bill.counted(known.tokens)

    async def _consume(self, order: _Order, watch: Watch | None) -> None:
        request, bill, reservation = order.request, order.bill, order.reservation
        async with aclosing(self.backend.stream(request)) as items:
            async for item in items:
                if isinstance(item, Tokens):
                    bill.reported = item
                    continue
                self.meter.read.add(order.seen)
                ended = bill.take(item)
                if ended is not None:
                    if item.finish is not None and not item.estimated:
                        reservation.release(bill.rest_of(ended))
                    if watch is not None:
                        watch(ended)
                if self.emit.is_heard:
                    self.emit(
                        Generating,
                        request=order.number,
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

    def _settle(self, order: _Order, failure: BackendError | None) -> None:
        self._take_count(order)
        bill = order.bill
        usage = bill.usage
        order.reservation.settle(usage)
        self.meter.count(
            engine_prompt_tokens=usage.prompt_tokens * order.request.n,
            unseen_tokens=bill.unseen,
            estimated_tokens=bill.estimated,
        )
        if bill.answered_one:
            self.meter.lacks.add("n")
        purpose = order.reservation.purpose
        tell_bill(self.emit, order.number, bill, purpose=purpose, failure=failure)

    def _interruption(self, decided: StopSignal | None) -> Interruption:
        is_decided = decided is not None and decided.is_set
        return "decided" if is_decided and not self.stop.is_set else self.interruption


def hash_of(request: Request) -> int:
    """Tell prompts apart that the prefix cache tells apart."""
    messages = tuple(tuple(sorted((k, str(v)) for k, v in m.items())) for m in request.messages)
    return hash((messages, str(request.tools), request.thinking))
