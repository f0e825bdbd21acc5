"""Who asks: the live side of every key, with what it has used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from its_agent.budget import Budget
from its_agent.integrations.gateway.keys import Key, distinct, key_of
from its_agent.integrations.gateway.rate import Rate
from its_agent.integrations.gateway.refusal import Refusal
from its_agent.ledger import SHARED, Ledger


class Tenant:
    """A client, and what is left to it."""

    def __init__(self, key: Key | None, clock: Callable[[], float]) -> None:
        self.name = key.name if key else "anyone"
        compute = None if key is None else key.compute
        self._ledger = Ledger(Budget(compute=compute), clock=clock) if compute else None
        self._rate = Rate(key.per_minute, clock) if key and key.per_minute else None
        self._clock = clock

    def admit(self) -> None:
        """Count a request. Raises Refusal when it comes too soon, or all is spent."""
        wait = self._rate.take() if self._rate else None
        if wait is not None:
            raise Refusal(
                429,
                f"too many requests in a minute; the next may come in {wait} s",
                code="rate_limit_exceeded",
                retry_after=wait,
            )
        if self.left == 0:
            raise self.spent()

    @property
    def left(self) -> int | None:
        """Compute units that are not spent; None where there is no limit."""
        compute = None if self._ledger is None else self._ledger.unspent.compute
        return None if compute is None else max(0, compute)

    def spent(self) -> Refusal:
        """What is said when the rest does not pay for a request."""
        return Refusal(
            429,
            f"the compute of this key does not pay for this request: {self.left or 0:,} compute "
            "units are left",
            code="insufficient_quota",
            is_final=True,
        )

    def ledger(self, budget: Budget) -> Ledger:
        """Open the account of one request."""
        if self._ledger is None:
            return Ledger(budget, clock=self._clock)
        return self._ledger.scope(budget, name=SHARED)


class Tenants:
    """All clients; without keys everybody is one."""

    def __init__(
        self, keys: Sequence[Key] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises InvalidOption for a key, or a name, that two clients have."""
        self._keys = distinct(keys)
        self._anyone = Tenant(None, clock)
        self._by_name: Mapping[str, Tenant] = {key.name: Tenant(key, clock) for key in keys}

    def of(self, authorization: str | None) -> Tenant:
        """Find who shows this header. Raises Refusal."""
        if not self._keys:
            return self._anyone
        scheme, _, given = (authorization or "").partition(" ")
        key = key_of(given.strip(), self._keys) if scheme.lower() == "bearer" else None
        if key is None:
            raise Refusal(
                401,
                "no valid API key; send it as Authorization: Bearer KEY",
                code="invalid_api_key",
            )
        return self._by_name[key.name]
