"""The account of one agent run: what it may use, what it has used, and how short it gets."""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from its_agent.budget import Budget, Prices, Usage
from its_agent.errors import BudgetExceeded
from its_agent.graphs.state import flat
from its_agent.integrations.stopwatch import Stopwatch
from its_agent.ledger import Ledger, Remaining, Reservation

RUN = "agent run"
PURPOSE = "agent"
MIN_ANSWER = 16
"""Tokens below which an answer is not begun."""

Standing: TypeAlias = Literal["plenty", "short", "last"]
"""Whether the agent need not know, is told what is left, or has one answer left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Parts of every limit."""

    short: float
    """When so much is left, the agent is told."""
    kept: float
    """So much is kept for its last answer."""


_UNITS: Mapping[str, tuple[str, str]] = {
    "compute": ("{:,}", "tokens"),
    "requests": ("{:,}", "requests"),
    "seconds": ("{:,.1f}", "seconds"),
    "usd": ("{:,.4f}", "USD"),
}


class RunAccount:
    """A ledger that may be charged from several threads, with a watch that counts work alone.

    An inner account pays for what a tool calls: from the same ledger, but for what is kept for the
    last answer of the agent around.
    """

    def __init__(
        self,
        ledger: Ledger,
        prices: Prices | None,
        watch: Stopwatch,
        lock: threading.RLock,
        *,
        around: RunAccount | None = None,
        kept: float = 0.0,
    ) -> None:
        """`kept` is the share of the budget around that is not to be touched."""
        self._ledger = ledger
        self._prices = prices
        self._watch = watch
        self._lock = lock
        self._around = around
        self._kept = kept

    @classmethod
    def opened(
        cls, budget: Budget, *, prices: Prices | None, spent: Usage, elapsed: float
    ) -> RunAccount:
        """Open the account of a run where an earlier part of it left off. Raises InvalidBudget."""
        watch = Stopwatch()
        ledger = Ledger(
            budget,
            prices=prices,
            spent={PURPOSE: spent},
            elapsed=elapsed,
            name=RUN,
            clock=watch,
        )
        return cls(ledger, prices, watch, threading.RLock())

    @property
    def left(self) -> Remaining:
        """What is left and not set aside, here and in every account around."""
        with self._lock:
            own = self._ledger.remaining
            if self._around is None:
                return own
            return own & without(self._around.left, self._around.budget, self._kept)

    @property
    def budget(self) -> Budget:
        """The limits."""
        return self._ledger.budget

    @contextmanager
    def at_work(self) -> Generator[None]:
        """Count the time of a call."""
        with self._watch.running():
            yield

    def charge(self, usage: Usage) -> None:
        """Charge what a call has used."""
        with self._lock:
            self._ledger.charge(PURPOSE, usage, held=Usage())

    def set_aside(self, budget: Budget, limits: Collection[str]) -> tuple[Budget, Reservation]:
        """Hold the budget, or as much of it as is left, so that nobody else spends it meanwhile.

        Returns it narrowed in these limits. Raises BudgetExceeded where one has nothing left.
        """
        with self._lock:
            left = self.left
            for name in _UNITS:
                rest, own = getattr(left, name), getattr(budget, name)
                if rest is not None and rest <= 0:
                    raise BudgetExceeded(limit=name, requested=0, remaining=rest, scope=RUN)
                if rest is not None and name in limits:
                    budget = replace(budget, **{name: rest if own is None else min(own, rest)})
            most = Usage(
                compute=0 if left.compute is None else budget.compute or 0,
                requests=0 if left.requests is None else budget.requests or 0,
            )
            return budget, self._ledger.reserve(most, PURPOSE)

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Charge what was used of something that was set aside."""
        with self._lock:
            reservation.settle(usage)

    def inner(self, shares: Shares) -> RunAccount:
        """An account for what a tool calls."""
        with self._lock:
            scope = self._ledger.scope(
                _at_least(without(self.left, self.budget, shares.kept)), name=RUN
            )
        return RunAccount(
            scope, self._prices, self._watch, self._lock, around=self, kept=shares.kept
        )

    def refusal(self, next_call: Usage) -> BudgetExceeded | None:
        """Say which limit leaves no room even for a short answer to that call's prompt."""
        fresh = next_call.prompt_tokens - next_call.cached_prompt_tokens
        least = replace(next_call, completion_tokens=MIN_ANSWER, compute=fresh + MIN_ANSWER)
        return self._ledger.shortfall(least, self.left)

    def standing(self, next_call: Usage, shares: Shares) -> Standing:
        """How short the run is before a call that is expected to use that much: it is the last one
        where a further one, whose prompt would hold this one's answer, could not be paid."""
        left = self.left
        prompt = next_call.prompt_tokens + next_call.completion_tokens
        further = replace(next_call, prompt_tokens=prompt, completion_tokens=0)
        tokens = next_call.compute + prompt - next_call.cached_prompt_tokens
        after = Remaining(
            compute=None if left.compute is None else left.compute - tokens,
            requests=None if left.requests is None else left.requests - next_call.requests,
            seconds=left.seconds,
            usd=None if left.usd is None else left.usd - self._usd(next_call) - self._usd(further),
        )
        if self._below(after, shares.kept):
            return "last"
        return "short" if self._below(left, shares.short) else "plenty"

    def room_for_answer(self, next_call: Usage) -> int | None:
        """Tokens that an answer to that call's prompt may have; None where nothing limits them."""
        left, asked = self.left, replace(next_call, completion_tokens=0)
        fresh = asked.prompt_tokens - asked.cached_prompt_tokens
        rooms: list[float] = [] if left.compute is None else [left.compute - fresh]
        if left.usd is not None and self._prices is not None and self._prices.completion:
            rooms.append((left.usd - self._usd(asked)) / self._prices.completion * 1e6)
        return max(MIN_ANSWER, int(min(rooms))) if rooms else None

    def report(self) -> str:
        """What is left, in words."""
        left = self.left
        return ", ".join(
            f"{form.format(max(0, getattr(left, name)))} of {form.format(whole)} {unit}"
            for name, (form, unit) in _UNITS.items()
            if (whole := getattr(self.budget, name)) is not None
        )

    def plain(self) -> dict[str, Any]:
        """What outlives the process."""
        with self._lock:
            return {"spent": flat(self._ledger.spent), "elapsed": self._ledger.elapsed}

    def _below(self, left: Remaining, share: float) -> bool:
        """Whether less than the share of a limit is left, or no request at all."""
        lines = without(left, self.budget, share)
        amounts = (lines.compute, lines.seconds, lines.usd)
        return any(amount is not None and amount < 0 for amount in amounts) or (
            left.requests is not None
            and left.requests < max(1, (self.budget.requests or 1) * share)
        )

    def _usd(self, usage: Usage) -> float:
        return 0.0 if self._prices is None else self._prices.usd(usage)


def without(left: Remaining, budget: Budget, share: float) -> Remaining:
    """What is left without a share of every limit, of requests at least one."""
    compute, requests, seconds, usd = left.compute, left.requests, left.seconds, left.usd
    return Remaining(
        compute=None if compute is None else int(compute - (budget.compute or 0) * share),
        requests=None
        if requests is None
        else requests - max(1, int((budget.requests or 0) * share)),
        seconds=None if seconds is None else seconds - (budget.seconds or 0) * share,
        usd=None if usd is None else usd - (budget.usd or 0) * share,
    )


def _at_least(left: Remaining) -> Budget:
    """Limits of that much; a Budget has to allow for something."""
    return Budget(
        compute=None if left.compute is None else max(1, left.compute),
        requests=None if left.requests is None else max(1, left.requests),
        seconds=None if left.seconds is None else max(1e-3, left.seconds),
        usd=None if left.usd is None else max(1e-9, left.usd),
    )
