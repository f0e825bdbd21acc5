"""The accounts of agent runs: found by the name in the state, or around the tool call under way."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import uuid4

from its_agent.budget import Budget, Prices, Usage
from its_agent.graphs.state import flat
from its_agent.integrations.budget_state import KEY, Plain, spent_in
from its_agent.integrations.run_account import RunAccount, Shares

LIVE_AT_MOST = 4_096
"""Runs that broke off leave their account behind; the state knows what they have spent."""

_Around: TypeAlias = Mapping[int, RunAccount]
_around: ContextVar[_Around] = ContextVar("_around", default=MappingProxyType({}))


def accounts_around() -> tuple[RunAccount, ...]:
    """The accounts that pay for the tool call in which this is asked."""
    return tuple(_around.get().values())


class Accounts:
    """The live accounts of one budget. A subagent that runs inside a tool call is paid from the
    account of the agent that called the tool."""

    def __init__(self, budget: Budget, prices: Prices | None, shares: Shares) -> None:
        self._budget = budget
        self._prices = prices
        self._shares = shares
        self._live: dict[str, RunAccount] = {}
        self._lock = threading.Lock()
        # Tells of a budget that cannot be kept before any run begins.
        self._opened(Usage(), 0.0)

    @property
    def is_inner(self) -> bool:
        """Whether this runs inside a tool call of an agent with the same budget."""
        return id(self) in _around.get()

    def named(self, state: Mapping[str, Any]) -> Plain | None:
        """What to write to a state that names no account yet."""
        if self.is_inner or state.get(KEY):
            return None
        return {"account": uuid4().hex, "spent": flat(Usage()), "elapsed": 0.0}

    def of(self, state: Mapping[str, Any]) -> RunAccount:
        """The account that pays. One that is not live is opened where the state left off."""
        inner = _around.get().get(id(self))
        if inner is not None:
            return inner
        name, spent, elapsed = spent_in(state)
        if name is None:
            return self._opened(spent, elapsed)
        with self._lock:
            if name not in self._live:
                self._live[name] = self._opened(spent, elapsed)
            if len(self._live) > LIVE_AT_MOST:
                self._live.pop(next(iter(self._live)))
            return self._live[name]

    def written(self, state: Mapping[str, Any]) -> dict[str, Plain]:
        """The update of the state that keeps what is spent; an inner run keeps nothing."""
        name, _, _ = spent_in(state)
        if self.is_inner or name is None:
            return {}
        return {KEY: {"account": name, **self.of(state).plain()}}

    def ended(self, state: Mapping[str, Any]) -> None:
        """Let go of a run's account; its thread may go on later."""
        name, _, _ = spent_in(state)
        if name is not None and not self.is_inner:
            with self._lock:
                self._live.pop(name, None)

    @contextmanager
    def around_tool(self, account: RunAccount) -> Generator[None]:
        """Have what a tool calls pay from this account, but for what is kept."""
        token = _around.set({**_around.get(), id(self): account.inner(self._shares)})
        try:
            yield
        finally:
            _around.reset(token)

    def _opened(self, spent: Usage, elapsed: float) -> RunAccount:
        return RunAccount.opened(self._budget, prices=self._prices, spent=spent, elapsed=elapsed)
