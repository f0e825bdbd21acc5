"""One budget that holds: immutable limits, additive usage, and the ledger between them.

One compute unit is one token pushed through the model, generated or read; prompt tokens served
from the prefix cache cost nothing, and a token of another model costs its `relative_cost`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from its_agent.errors import BudgetExceeded, InvalidBudget

DEFAULT_COMPUTE = 4_000
"""Compute units that a solve may use when the caller names no budget."""
SOLVE = "solve"
"""Name of a solve's own ledger; its scopes carry the names of paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one solve; None leaves a resource unlimited, at least one must be set."""

    compute: int | None = None
    """Compute units: tokens read (uncached) and generated, times the model's relative cost."""
    requests: int | None = None
    """Requests sent to an engine."""
    seconds: float | None = None
    """Wall-clock seconds from the start of the solve."""
    usd: float | None = None
    """Dollars, by the `Prices` of the agent."""

    def __post_init__(self) -> None:
        limits = {f.name: getattr(self, f.name) for f in fields(self)}
        if all(value is None for value in limits.values()):
            raise InvalidBudget(
                "the budget limits nothing; set at least one of compute, requests, seconds, usd"
            )
        for name, value in limits.items():
            _check_limit(name, value)

    @classmethod
    def of(cls, value: int | Budget) -> Budget:
        """Read `max_compute_budget`: a Budget, or an int of compute units.

        Raises InvalidBudget for anything else, and for amounts of 0 or less.
        """
        return value if isinstance(value, Budget) else cls(compute=value)


def _check_limit(name: str, value: object) -> None:
    if value is None:
        return
    whole = name in ("compute", "requests")
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number:
        kind = "a whole number" if whole else "a number"
        raise InvalidBudget(f"{name} budget must be {kind}, got {value!r}")
    assert isinstance(value, (int, float))
    if not (math.isfinite(value) and value > 0):
        raise InvalidBudget(f"{name} budget must be greater than 0, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used. Adds up; `seconds` are those of the requests, which may overlap."""

    prompt_tokens: int = 0
    """Tokens read, each prompt once a request whatever its number of samples."""
    cached_prompt_tokens: int = 0
    """Those of them known to come from the prefix cache."""
    completion_tokens: int = 0
    requests: int = 0
    seconds: float = 0.0
    compute: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in _FIELDS})

    def __sub__(self, other: Usage) -> Usage:
        return Usage(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in _FIELDS})


_FIELDS = fields(Usage)


def compute_units(*, prompt: int, cached: int, completion: int, relative_cost: float = 1.0) -> int:
    """Price tokens in compute units, rounded up."""
    return math.ceil((prompt - cached + completion) * relative_cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars per million tokens."""

    prompt: float
    completion: float
    cached_prompt: float = 0.0

    def usd(self, usage: Usage) -> float:
        """Price a usage in dollars."""
        fresh = usage.prompt_tokens - usage.cached_prompt_tokens
        total = (
            fresh * self.prompt
            + usage.cached_prompt_tokens * self.cached_prompt
            + usage.completion_tokens * self.completion
        )
        return total / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is left of each limit; None where there is no limit."""

    compute: int | None
    requests: int | None
    seconds: float | None
    usd: float | None


@dataclass(slots=True, kw_only=True)
class Reservation:
    """A promise of the ledger to pay up to `held`; settled exactly once."""

    purpose: str
    held: Usage
    _ledger: Ledger = field(repr=False)
    _open: bool = True

    def release(self, part: Usage) -> None:
        """Give back a part that is known not to be needed, such as a finished sample's rest."""
        if self._open:
            self._ledger.hold(self.held - part, instead_of=self.held)
            self.held = self.held - part

    def settle(self, actual: Usage) -> None:
        """Charge what was used and give back the rest. Raises RuntimeError the second time."""
        if not self._open:
            raise RuntimeError("the reservation is already settled")
        self._open = False
        self._ledger.charge(self.purpose, actual, held=self.held)


class Ledger:
    """Reserves the worst case before a request and settles what it used: settled + held ≤ budget.

    A scope is a ledger whose reservations also count against its parent; what a scope leaves
    over was never taken from the parent. Not safe across threads: one event loop owns it.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        prices: Prices | None = None,
        spent: Mapping[str, Usage] | None = None,
        parent: Ledger | None = None,
        name: str = SOLVE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open a ledger; `spent` carries what an earlier part of the same run has used.

        Raises InvalidBudget for a dollar limit without prices.
        """
        if budget.usd is not None and prices is None:
            raise InvalidBudget("a usd budget needs prices: pass prices=Prices(...) to the agent")
        self.budget = budget
        self.name = name
        self._prices = prices
        self._parent = parent
        self._clock = clock
        self._started = clock()
        self._by_purpose: dict[str, Usage] = dict(spent or {})
        self._held = Usage()

    @property
    def by_purpose(self) -> Mapping[str, Usage]:
        """Settled usage, by the purpose it was reserved for."""
        return dict(self._by_purpose)

    @property
    def spent(self) -> Usage:
        """Settled usage in all."""
        return sum(self._by_purpose.values(), Usage())

    @property
    def held(self) -> Usage:
        """Reserved and not settled yet."""
        return self._held

    @property
    def elapsed(self) -> float:
        """Wall-clock seconds since the ledger was opened."""
        return self._clock() - self._started

    @property
    def remaining(self) -> Remaining:
        """What can still be reserved here, the parent's limits included."""
        used, budget = self.spent + self._held, self.budget
        own = Remaining(
            compute=None if budget.compute is None else budget.compute - used.compute,
            requests=None if budget.requests is None else budget.requests - used.requests,
            seconds=None if budget.seconds is None else budget.seconds - self.elapsed,
            usd=None if budget.usd is None else budget.usd - self._usd(used),
        )
        return own if self._parent is None else _tighter(own, self._parent.remaining)

    def reserve(self, cost: Usage, purpose: str) -> Reservation:
        """Set the worst case aside. Raises BudgetExceeded, which names the limit, if it is more
        than what is left here or in a parent."""
        shortfall = self.shortfall(cost)
        if shortfall is not None:
            raise shortfall
        self.hold(cost)
        return Reservation(purpose=purpose, held=cost, _ledger=self)

    def shortfall(self, cost: Usage) -> BudgetExceeded | None:
        """Say which limit a cost would break, here or in a parent; None where it fits."""
        left = self.remaining
        asked = {"compute": cost.compute, "requests": cost.requests, "usd": self._usd(cost)}
        for limit, requested in asked.items():
            available: float | None = getattr(left, limit)
            if available is not None and requested > available:
                return self._exceeded(limit, requested, available)
        if left.seconds is not None and left.seconds <= 0:
            return self._exceeded("seconds", 0, left.seconds)
        return None

    def scope(self, budget: Budget, *, name: str) -> Ledger:
        """Open a nested ledger with limits of its own."""
        return Ledger(budget, prices=self._prices, parent=self, name=name, clock=self._clock)

    def hold(self, cost: Usage, *, instead_of: Usage | None = None) -> None:
        """Count a reservation, or replace one, here and in every parent."""
        self._held = self._held + cost - (instead_of or Usage())
        if self._parent is not None:
            self._parent.hold(cost, instead_of=instead_of)

    def charge(self, purpose: str, actual: Usage, *, held: Usage) -> None:
        """Turn a reservation into settled usage, here and in every parent."""
        self._held = self._held - held
        self._by_purpose[purpose] = self._by_purpose.get(purpose, Usage()) + actual
        if self._parent is not None:
            self._parent.charge(purpose, actual, held=held)

    def _exceeded(self, limit: str, requested: float, remaining: float) -> BudgetExceeded:
        return BudgetExceeded(
            limit=limit, requested=requested, remaining=remaining, scope=self.name
        )

    def _usd(self, usage: Usage) -> float:
        return 0.0 if self._prices is None else self._prices.usd(usage)


def _tighter(one: Remaining, other: Remaining) -> Remaining:
    def least(name: str) -> float | None:
        values = [v for r in (one, other) if (v := getattr(r, name)) is not None]
        return min(values, default=None)

    compute, requests = least("compute"), least("requests")
    return Remaining(
        compute=None if compute is None else int(compute),
        requests=None if requests is None else int(requests),
        seconds=least("seconds"),
        usd=least("usd"),
    )
