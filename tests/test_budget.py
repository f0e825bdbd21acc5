"""The ledger: what is settled and held never exceeds the budget, here or in any parent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent import Budget, Prices, Usage
from its_agent.budget import compute_units
from its_agent.errors import BudgetExceeded, InvalidBudget
from its_agent.ledger import Ledger


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
