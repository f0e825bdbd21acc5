"""The ledger between a budget and those who spend it: reserve first, then settle what was used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from its_agent.budget import Budget, Prices, Usage
from its_agent.errors import BudgetExceeded, InvalidBudget

SOLVE = "solve"
"""Name of a solve's own ledger; its scopes carry the names of paths."""
SHARED = "shared"
"""Name of a ledger that several solves draw on."""

PLENTY = 8
"""How often a shared ledger must be able to pay for what is reserved with more than it needs, so
that nobody else goes short of that."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is left of each limit; None where there is no limit."""

    compute: int | None = None
    requests: int | None = None
    seconds: float | None = None
    usd: float | None = None

    def __and__(self, other: Remaining) -> Remaining:
        """The tighter of both, limit by limit."""
        compute = _least(self.compute, other.compute)
        requests = _least(self.requests, other.requests)
        return Remaining(
            compute=None if compute is None else int(compute),
            requests=None if requests is None else int(requests),
            seconds=_least(self.seconds, other.seconds),
            usd=_least(self.usd, other.usd),
        )


def _least(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return min(known, default=None)


Fit: TypeAlias = Callable[[Remaining], tuple[T, Usage]]
"""Makes something that fits into what is left, with its worst case; else raises BudgetExceeded."""


@dataclass(slots=True, kw_only=True, eq=False)
class Reservation:
    """A promise of the ledger to pay up to `held`; settled exactly once."""

    purpose: str
    held: Usage
    ledger: Ledger = field(repr=False)
    holder: asyncio.Task[object] | None = field(default=None, repr=False)
    _open: bool = True

    def release(self, part: Usage) -> None:
        """Give back a part that is known not to be needed, such as a finished sample's rest."""
        if self._open:
            rest = self.held - part
            self.ledger.hold(rest, instead_of=self.held)
            self.held = rest

    def settle(self, actual: Usage) -> None:
        """Charge what was used and give back the rest. Raises RuntimeError the second time."""
        if not self._open:
            raise RuntimeError("the reservation is already settled")
        self._open = False
        self.ledger.charge(self.purpose, actual, held=self.held, holder=self.holder)


class Ledger:
    """Reserves the worst case before a request and settles what it used: settled + held ≤ budget.

    One ledger may be shared by many tasks and, through scopes, by many solves. A scope is a ledger
    whose reservations also count against its parent; what a scope leaves over was never taken from
    the parent. Who finds everything held by others waits in line: first come, first served, and
    who gives up leaves the line. Not safe across threads: one event loop owns it.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        prices: Prices | None = None,
        spent: Mapping[str, Usage] | None = None,
        elapsed: float = 0.0,
        parent: Ledger | None = None,
        name: str = SHARED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open a ledger; `spent` and `elapsed` carry what an earlier part of the same run has
        used, in usage by purpose and in seconds.

        Raises InvalidBudget for a dollar limit without prices.
        """
        if budget.usd is not None and prices is None:
            raise InvalidBudget("a usd budget needs prices: pass prices=Prices(...) to the agent")
        self.budget = budget
        self.name = name
        self._prices = prices
        self._parent = parent
        self._clock = clock
        self._started = clock() - elapsed
        self._by_purpose: dict[str, Usage] = dict(spent or {})
        self._spent = sum(self._by_purpose.values(), Usage())
        self._held = Usage()
        self._line = asyncio.Lock()
        self._freed = asyncio.Event()
        self._holders: set[asyncio.Task[object]] = set() if parent is None else parent._holders

    @property
    def by_purpose(self) -> Mapping[str, Usage]:
        """Settled usage, by the purpose it was reserved for."""
        return dict(self._by_purpose)

    @property
    def spent(self) -> Usage:
        """Settled usage in all."""
        return self._spent

    @property
    def held(self) -> Usage:
        """Reserved and not settled yet."""
        return self._held

    @property
    def elapsed(self) -> float:
        """Wall-clock seconds since the ledger was opened, those of an earlier part included."""
        return self._clock() - self._started

    @property
    def remaining(self) -> Remaining:
        """What can be reserved at this moment, here and in every parent."""
        own = self._left(self.spent + self._held)
        return own if self._parent is None else own & self._parent.remaining

    @property
    def unspent(self) -> Remaining:
        """What could be reserved if nobody else held anything, here and in every parent."""
        own = self._left(self.spent)
        return own if self._parent is None else own & self._parent.unspent

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time is up, here or in a parent; None without a limit."""
        seconds = self.budget.seconds
        own = None if seconds is None else seconds - self.elapsed
        return own if self._parent is None else _least(own, self._parent.seconds_left)

    def shortfall(self, cost: Usage, left: Remaining | None = None) -> BudgetExceeded | None:
        """Say which limit a cost would break, of what is left or of all that remains here."""
        left = left or self.remaining
        asked = {"compute": cost.compute, "requests": cost.requests, "usd": self._usd(cost)}
        for limit, requested in asked.items():
            available: float | None = getattr(left, limit)
            if available is not None and requested > available:
                return self._exceeded(limit, requested, available)
        if left.seconds is not None and left.seconds <= 0:
            return self._exceeded("seconds", 0, left.seconds)
        return None

    def reserve(self, cost: Usage, purpose: str) -> Reservation:
        """Set the worst case aside at once. Raises BudgetExceeded, which names the limit, if it is
        more than what is left here or in a parent."""
        shortfall = self.shortfall(cost)
        if shortfall is not None:
            raise shortfall
        self.hold(cost)
        return Reservation(purpose=purpose, held=cost, ledger=self)

    async def acquire(self, fit: Fit[T], purpose: str) -> tuple[T, Reservation]:
        """Reserve what `fit` makes of what is left, waiting while only others' reservations stand
        in its way.

        Raises BudgetExceeded where waiting cannot help, and RuntimeError in a task that holds a
        reservation already: it might wait for itself.
        """
        task = asyncio.current_task()
        if task in self._holders:
            raise RuntimeError("a task that holds a reservation must not wait for another one")
        found = self._at_once(fit)
        if found is None:
            async with AsyncExitStack() as turns:
                found = await self._waited_for(fit, Remaining, turns)
        made, cost = found
        reservation = self.reserve(cost, purpose)
        if task is not None:
            reservation.holder = task
            self._holders.add(task)
        return made, reservation

    def has_at_once(self, cost: Usage) -> bool:
        """Whether so much can be reserved at this moment with nobody in line before it, and PLENTY
        times as much of what others share."""
        if self._line.locked() or self.shortfall(cost) is not None:
            return False
        return self._parent is None or self._parent.has_at_once(sum([cost] * PLENTY, Usage()))

    @property
    def _is_waited_for(self) -> bool:
        """Somebody is in line here or in a parent."""
        above = self._parent is not None and self._parent._is_waited_for
        return above or self._line.locked()

    def _at_once(self, fit: Fit[T]) -> tuple[T, Usage] | None:
        """What fits now, where nobody waits; None sends to the line."""
        if self._is_waited_for:
            return None
        try:
            return fit(self.remaining)
        except BudgetExceeded:
            return None

    async def _waited_for(
        self, fit: Fit[T], inner: Callable[[], Remaining], turns: AsyncExitStack
    ) -> tuple[T, Usage]:
        """Wait in line here, then in the parent; a place once reached here stays good, as who
        has it alone reserves here."""
        await turns.enter_async_context(self._line)

        def left() -> Remaining:
            return inner() & self._left(self.spent + self._held)

        made = await self._fitting(fit, left)
        return made if self._parent is None else await self._parent._waited_for(fit, left, turns)

    async def _fitting(self, fit: Fit[T], left: Callable[[], Remaining]) -> tuple[T, Usage]:
        while True:
            try:
                return fit(left())
            except BudgetExceeded as short:
                if not self._may_come_free(short):
                    raise self._named(short) from None
            self._freed.clear()
            await self._freed.wait()

    def _may_come_free(self, short: BudgetExceeded) -> bool:
        if short.limit == "seconds":
            return False
        unspent: float | None = getattr(self._left(self.spent), short.limit)
        return unspent is not None and short.remaining < short.requested <= unspent

    def _named(self, short: BudgetExceeded) -> BudgetExceeded:
        return self._exceeded(short.limit, short.requested, short.remaining)

    def scope(
        self,
        budget: Budget,
        *,
        name: str,
        spent: Mapping[str, Usage] | None = None,
        elapsed: float = 0.0,
    ) -> Ledger:
        """Open a nested ledger with limits of its own; `spent` counts here alone."""
        return Ledger(
            budget,
            prices=self._prices,
            spent=spent,
            elapsed=elapsed,
            parent=self,
            name=name,
            clock=self._clock,
        )

    def hold(self, cost: Usage, *, instead_of: Usage | None = None) -> None:
        """Count a reservation, or replace one, here and in every parent."""
        self._held = self._held + cost - (instead_of or Usage())
        self._freed.set()
        if self._parent is not None:
            self._parent.hold(cost, instead_of=instead_of)

    def charge(
        self,
        purpose: str,
        actual: Usage,
        *,
        held: Usage,
        holder: asyncio.Task[object] | None = None,
    ) -> None:
        """Turn a reservation into settled usage, here and in every parent."""
        self._held = self._held - held
        self._by_purpose[purpose] = self._by_purpose.get(purpose, Usage()) + actual
        self._spent = self._spent + actual
        self._freed.set()
        if holder is not None:
            self._holders.discard(holder)
        if self._parent is not None:
            self._parent.charge(purpose, actual, held=held)

    def _left(self, used: Usage) -> Remaining:
        budget = self.budget
        return Remaining(
            compute=None if budget.compute is None else budget.compute - used.compute,
            requests=None if budget.requests is None else budget.requests - used.requests,
            seconds=None if budget.seconds is None else budget.seconds - self.elapsed,
            usd=None if budget.usd is None else budget.usd - self._usd(used),
        )

    def _exceeded(self, limit: str, requested: float, remaining: float) -> BudgetExceeded:
        return BudgetExceeded(
            limit=limit, requested=requested, remaining=remaining, scope=self.name
        )

    def _usd(self, usage: Usage) -> float:
        return 0.0 if self._prices is None else self._prices.usd(usage)
