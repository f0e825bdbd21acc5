"""The ledger: what is settled and held never exceeds the budget, here or in any parent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent import Budget, Prices, StopSignal, Usage
from its_agent.budget import compute_units
from its_agent.errors import BudgetExceeded, InvalidBudget
from its_agent.ledger import PLENTY, Fit, Ledger, Remaining


def cost(compute: int, **more: int) -> Usage:
    return Usage(compute=compute, completion_tokens=compute, requests=1, **more)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({}, "limits nothing"),
        ({"compute": 0}, "compute budget must be greater than 0, got 0"),
        ({"compute": -5}, "greater than 0, got -5"),
        ({"compute": 1.5}, "whole number, got 1.5"),
        ({"compute": True}, "whole number, got True"),
        ({"compute": "4000"}, "whole number, got '4000'"),
        ({"requests": 0}, "requests budget"),
        ({"seconds": 0.0}, "seconds budget"),
        ({"seconds": float("nan")}, "seconds budget"),
        ({"usd": -1.0}, "usd budget"),
    ],
)
def test_a_budget_that_limits_nothing_or_less_is_refused(limits: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidBudget, match=says):
        Budget(**limits)


def test_an_int_is_compute() -> None:
    assert Budget.of(4000) == Budget(compute=4000)


def test_what_does_not_fit_is_refused_and_the_error_says_by_how_much() -> None:
    ledger = Ledger(Budget(compute=100))
    ledger.reserve(cost(60), "generate")
    with pytest.raises(BudgetExceeded) as caught:
        ledger.reserve(cost(41), "generate")
    assert (caught.value.limit, caught.value.requested, caught.value.remaining) == (
        "compute",
        41,
        40,
    )


def test_settling_gives_back_the_rest_and_only_once() -> None:
    ledger = Ledger(Budget(compute=100))
    reservation = ledger.reserve(cost(100), "generate")
    reservation.release(cost(30))
    assert ledger.remaining.compute == 30
    reservation.settle(cost(10))
    assert ledger.remaining.compute == 90
    with pytest.raises(RuntimeError, match="already settled"):
        reservation.settle(cost(10))


def test_a_scope_ends_alone_and_counts_against_its_parent() -> None:
    parent = Ledger(Budget(compute=100))
    scope = parent.scope(Budget(compute=50), name="search")
    scope.reserve(cost(50), "search").settle(cost(45))
    with pytest.raises(BudgetExceeded, match="search budget"):
        scope.reserve(cost(6), "search")
    assert parent.remaining.compute == 55
    assert parent.by_purpose["search"].compute == 45


def test_a_parent_limits_its_scopes() -> None:
    parent = Ledger(Budget(compute=10))
    scope = parent.scope(Budget(compute=50), name="search")
    assert scope.remaining.compute == 10
    with pytest.raises(BudgetExceeded):
        scope.reserve(cost(11), "search")


def test_requests_seconds_and_dollars_are_limits_too() -> None:
    now = [0.0]
    ledger = Ledger(
        Budget(requests=1, seconds=5, usd=1.0),
        prices=Prices(prompt=0, completion=1_000_000),
        clock=lambda: now[0],
    )
    with pytest.raises(BudgetExceeded, match="usd"):
        ledger.reserve(cost(2), "generate")
    reservation = ledger.reserve(cost(1), "generate")
    with pytest.raises(BudgetExceeded, match="requests"):
        ledger.reserve(Usage(requests=1), "generate")
    reservation.settle(Usage())
    now[0] = 5.0
    with pytest.raises(BudgetExceeded, match="seconds"):
        ledger.reserve(Usage(), "generate")


def test_a_dollar_budget_needs_prices() -> None:
    with pytest.raises(InvalidBudget, match="needs prices"):
        Ledger(Budget(usd=1.0))


def test_cached_tokens_are_free_and_fractions_round_up() -> None:
    assert compute_units(prompt=100, cached=64, completion=10) == 46
    assert compute_units(prompt=10, cached=0, completion=1, relative_cost=0.25) == 3


actions = st.lists(
    st.tuples(st.integers(0, 120), st.integers(0, 120), st.integers(0, 120), st.booleans()),
    max_size=30,
)


@given(budget=st.integers(1, 300), share=st.integers(1, 300), actions=actions)
def test_settled_and_held_never_exceed_the_budget(
    budget: int, share: int, actions: list[tuple[int, int, int, bool]]
) -> None:
    parent = Ledger(Budget(compute=budget))
    scope = parent.scope(Budget(compute=share), name="path")
    for wanted, released, used, nested in actions:
        ledger = scope if nested else parent
        try:
            reservation = ledger.reserve(cost(wanted), "generate")
        except BudgetExceeded:
            assert wanted > (ledger.remaining.compute or 0)
            continue
        assert parent.spent.compute + parent.held.compute <= budget
        assert scope.spent.compute + scope.held.compute <= share
        released = min(released, wanted)
        reservation.release(cost(released))
        reservation.settle(cost(min(used, wanted - released)))
        assert parent.spent.compute <= budget
        assert scope.spent.compute <= share
    assert parent.held == Usage() or parent.held.compute == 0
    total = sum((usage.compute for usage in parent.by_purpose.values()), 0)
    assert total == parent.spent.compute


def all_of(amount: int, ledger: Ledger) -> Fit[int]:
    """Wants exactly this much."""

    def fit(left: Remaining) -> tuple[int, Usage]:
        short = ledger.shortfall(cost(amount), left)
        if short is not None:
            raise short
        return amount, cost(amount)

    return fit


async def spend(ledger: Ledger, amount: int, order: list[int], used: int = 0) -> None:
    """Reserve, work a little, settle."""
    _, reservation = await ledger.acquire(all_of(amount, ledger), "generate")
    order.append(amount)
    await asyncio.sleep(0.001)
    reservation.settle(cost(used))


async def test_who_waits_is_served_in_order_even_where_a_later_one_would_fit() -> None:
    ledger = Ledger(Budget(compute=100))
    order: list[int] = []
    async with asyncio.TaskGroup() as group:
        for amount in (60, 90, 10, 30):
            group.create_task(spend(ledger, amount, order))
            await asyncio.sleep(0)
    assert order == [60, 90, 10, 30]
    assert ledger.held == Usage()


async def test_what_is_had_at_once_is_free_here_and_plenty_of_what_is_shared() -> None:
    shared = Ledger(Budget(compute=10 * PLENTY))
    scope = shared.scope(Budget(compute=12), name="solve")
    assert scope.has_at_once(cost(10))
    assert not scope.has_at_once(cost(11))
    assert shared.has_at_once(cost(11))
    taken = scope.reserve(cost(12), "generate")
    assert not scope.has_at_once(cost(1))
    taken.settle(cost(0))
    assert scope.has_at_once(cost(1))


async def test_nothing_is_had_at_once_while_somebody_waits() -> None:
    ledger = Ledger(Budget(compute=100))
    held = ledger.reserve(cost(60), "generate")
    waiting = asyncio.create_task(spend(ledger, 50, []))
    await asyncio.sleep(0)
    assert not ledger.has_at_once(cost(1))
    held.settle(cost(0))
    await waiting
    assert ledger.has_at_once(cost(1))


async def test_a_waiter_that_gives_up_leaves_the_line() -> None:
    ledger = Ledger(Budget(compute=100))
    held = ledger.reserve(cost(60), "generate")
    order: list[int] = []
    impatient = asyncio.create_task(spend(ledger, 90, order))
    patient = asyncio.create_task(spend(ledger, 40, order))
    await asyncio.sleep(0.001)
    assert order == []
    impatient.cancel()
    await patient
    assert order == [40]
    held.settle(cost(0))
    await spend(ledger, 100, order)
    assert ledger.remaining.compute == 100


async def test_what_can_never_fit_is_refused_and_not_waited_for() -> None:
    ledger = Ledger(Budget(compute=100))
    ledger.reserve(cost(50), "generate").settle(cost(50))
    ledger.reserve(cost(20), "generate")
    with pytest.raises(BudgetExceeded, match="shared budget: 51 compute requested, 30 left"):
        await ledger.acquire(all_of(51, ledger), "generate")


async def test_a_task_that_holds_a_reservation_must_not_wait_for_another() -> None:
    ledger = Ledger(Budget(compute=100))
    _, held = await ledger.acquire(all_of(60, ledger), "generate")
    with pytest.raises(RuntimeError, match="must not wait"):
        await ledger.acquire(all_of(60, ledger), "generate")
    held.settle(cost(0))
    _, again = await ledger.acquire(all_of(60, ledger), "generate")
    again.settle(cost(0))


async def test_many_scopes_of_one_ledger_all_end_and_never_exceed_it() -> None:
    shared = Ledger(Budget(compute=100))
    most = 0

    async def solve(number: int) -> None:
        nonlocal most
        own = shared.scope(Budget(compute=80), name="solve")
        for _ in range(3):
            _, reservation = await own.acquire(all_of(40 - number % 7, own), "generate")
            most = max(most, shared.spent.compute + shared.held.compute)
            await asyncio.sleep(0.0001 * (number % 3))
            reservation.release(cost(5))
            await asyncio.sleep(0)
            reservation.settle(cost(number % 2))

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(solve(number))
    assert 60 < most <= 100
    assert shared.held == Usage()
    assert shared.spent.compute == 30


async def test_a_stop_signal_ends_what_it_guards_now_and_later() -> None:
    stop = StopSignal()
    asyncio.get_running_loop().call_later(0.01, stop.set)
    with pytest.raises(TimeoutError):
        async with stop.guard():
            await asyncio.sleep(3600)
    with pytest.raises(TimeoutError):
        async with stop.guard(3600):
            pytest.fail("nothing begins after the signal")
