"""An ended solve is let go at once, although the event loop keeps the timers that it cancelled."""

from __future__ import annotations

import gc
from collections.abc import Generator
from dataclasses import replace

import pytest

from its_agent import Budget, Ledger
from its_agent.bench.workload import BUDGET, QUESTION, four_samples, instant_server


@pytest.fixture
def no_collection() -> Generator[None]:
    """Leaves everything to reference counts."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def ledgers() -> int:
    """How many are alive: one a solve."""
    return sum(type(one) is Ledger for one in gc.get_objects())


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("budget", [BUDGET, replace(BUDGET, seconds=60.0)])
async def test_no_timer_of_a_request_or_a_deadline_keeps_an_ended_solve(budget: Budget) -> None:
    before = ledgers()
    with instant_server() as address:
        async with four_samples(address) as agent:
            for _ in range(5):
                await agent.asolve(QUESTION, max_compute_budget=budget)
            assert ledgers() == before
