"""One price for many solves: it meets the total, and spends it where it pays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent import Agent, Solution
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption
from its_agent.policy.market import Market
from its_agent.policy.value import PRICE

TOKENS = 120


def easy_or_hard(request: Request, index: int) -> Reply:
    """Easy questions have one answer, hard ones two."""
    question = str(request.messages[-1]["content"])
    answer = 7 if "easy" in question or index % 2 else 5
    return Reply(text=f"So it is \\boxed{{{answer}}}.", tokens=TOKENS, logprob=-0.2)


def asked(number: int) -> str:
    kind = "easy" if number % 2 else "hard"
    return f"How many {kind} eggs are there in {number} boxes of 6?"


def test_the_first_price_is_that_of_an_even_share() -> None:
    market = Market(total=8_000, problems=4)
    assert market.share == 2_000
    assert market.price == pytest.approx(PRICE / 2_000)


def test_what_easy_problems_save_is_shared_and_lowers_the_price() -> None:
    market = Market(total=8_000, problems=4)
    before = market.price
    market.ended(500)
    assert market.share == pytest.approx(7_500 / 3)
    assert market.price < before


def test_dear_problems_raise_the_price() -> None:
    market = Market(total=8_000, problems=4)
    before = market.price
    market.ended(5_000)
    assert market.share == 1_000
    assert market.price > before


def test_those_that_wait_keep_half_of_their_share() -> None:
    market = Market(total=8_000, problems=4)
    assert market.allowance(waiting=3) == 8_000 - 3 * 1_000
    assert market.allowance(waiting=0) == 8_000


@given(st.lists(st.integers(1, 4_000), min_size=60, max_size=120))
def test_traffic_that_costs_too_much_is_priced_higher_than_traffic_that_does_not(
    costs: list[int],
) -> None:
    dear, cheap = Market(per_problem=1_000.0), Market(per_problem=1_000.0)
    for cost in costs:
        dear.ended(cost + 1_500)
        cheap.ended(cost // 8)
    assert dear.price > PRICE / 1_000 > cheap.price
    assert dear.allowance(waiting=9) is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"total": 9},
        {"total": 9, "per_problem": 3.0},
        {"total": 9, "problems": 3, "per_problem": 3.0},
    ],
)
def test_a_market_has_a_total_or_a_share(options: dict[str, int]) -> None:
    with pytest.raises(InvalidOption, match="either a total"):
        Market(**options)
    with pytest.raises(InvalidOption, match="compute to sell"):
        Market(per_problem=0.0)


@pytest.mark.parametrize("total", [30_000, 40_000])
async def test_a_batch_gives_hard_problems_what_easy_ones_save(total: int) -> None:
    async with Agent(ScriptedBackend(easy_or_hard), estimate=(), max_tokens=128) as agent:
        ended = await agent.abatch(
            [asked(number) for number in range(24)],
            max_compute_budget=4_000,
            total_compute_budget=total,
            concurrency=4,
        )
    solutions = [one for one in ended if isinstance(one, Solution)]
    assert len(solutions) == 24, "nobody is left without means"
    spent = [one.receipt.spent.compute for one in solutions]
    assert sum(spent) <= total
    easy, hard = sum(spent[1::2]) / 12, sum(spent[0::2]) / 12
    assert hard > 1.5 * easy


async def test_a_larger_total_buys_more_on_hard_problems_alone() -> None:
    by_total: dict[int, list[int]] = {}
    for total in (10_000, 40_000):
        async with Agent(ScriptedBackend(easy_or_hard), estimate=(), max_tokens=128) as agent:
            ended = await agent.abatch(
                [asked(number) for number in range(20)],
                max_compute_budget=4_000,
                total_compute_budget=total,
                concurrency=1,
            )
        by_total[total] = [e.receipt.spent.compute for e in ended if isinstance(e, Solution)]
    small, large = by_total[10_000], by_total[40_000]
    assert sum(large[0::2]) > sum(small[0::2])
    assert sum(large[1::2]) - sum(small[1::2]) < 0.5 * (sum(large[0::2]) - sum(small[0::2]))
