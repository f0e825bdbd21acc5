"""The one door: what it reserves, clamps, trusts of the engine's report, and charges."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from its_agent import Budget
from its_agent.backends import Delta, Offer, Request, StreamItem, Tokens
from its_agent.backends.metered import MIN_TOKENS, MeteredBackend
from its_agent.budget import Ledger
from its_agent.errors import BackendLost, BackendRefused, BudgetExceeded, PromptTooLong
from its_agent.events import Emitter, Event, Generating
from its_agent.receipt import Fingerprint

PROMPT = 100
MESSAGES = ({"role": "user", "content": "How many eggs?"},)


class Engine:
    """Answers every sample with `tokens` tokens and reports `cached` prompt tokens."""

    relative_cost = 1.0

    def __init__(
        self, *, tokens: int = 20, cached: int = 64, fails: Exception | None = None
    ) -> None:
        self.tokens = tokens
        self.cached = cached
        self.fails = fails
        self.asked: list[Request] = []

    async def offer(self) -> Offer:
        return Offer(fingerprint=Fingerprint(model="m", backend="test"))

    async def count_prompt(self, request: Request) -> int:
        return PROMPT

    async def supply(self, request: Request) -> int | None:
        return None

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        self.asked.append(request)
        if isinstance(self.fails, BackendRefused):
            raise self.fails
        for index in range(request.n):
            yield Delta(index=index, text="ab", logprobs=(-0.1,) * self.tokens, tokens=self.tokens)
        if self.fails is not None:
            raise self.fails
        for index in range(request.n):
            yield Delta(index=index, tokens=self.tokens, finish="stop")
        yield Tokens(prompt=PROMPT, cached_prompt=self.cached, completion=request.n * self.tokens)

    async def aclose(self) -> None:
        pass


def door_to(engine: Engine, *, compute: int = 10_000) -> tuple[MeteredBackend, Ledger, list[Event]]:
    events: list[Event] = []
    ledger = Ledger(Budget(compute=compute))
    door = MeteredBackend(engine, ledger, Emitter(ledger, (events.append,)), context=4096)
    return door, ledger, events


def wanted(n: int = 1, max_tokens: int = 200) -> Request:
    return Request(messages=MESSAGES, n=n, max_tokens=max_tokens)


async def test_cached_tokens_of_several_samples_count_only_for_a_prompt_read_before() -> None:
    door, ledger, _ = door_to(Engine())
    first = await door.buy(wanted(n=3), purpose="generate")
    again = await door.buy(wanted(n=3), purpose="generate")
    assert first.usage.cached_prompt_tokens == 0
    assert first.usage.compute == PROMPT + 60
    assert again.usage.cached_prompt_tokens == 64
    assert again.usage.compute == PROMPT - 64 + 60
    assert ledger.spent.compute == first.usage.compute + again.usage.compute
    assert door.engine_prompt_tokens == 6 * PROMPT


async def test_a_single_sample_s_cache_report_is_taken_as_it_is() -> None:
    door, _, _ = door_to(Engine())
    assert (await door.buy(wanted(), purpose="generate")).usage.cached_prompt_tokens == 64


async def test_the_worst_case_is_held_while_it_runs_and_given_back_sample_by_sample() -> None:
    door, ledger, events = door_to(Engine())
    await door.buy(wanted(n=2), purpose="generate")
    held = [e.held.compute for e in events if isinstance(e, Generating)]
    assert held == [500, 500, 320, 140]
    assert ledger.held.compute == 0


async def test_samples_are_dropped_before_they_are_shortened() -> None:
    engine = Engine()
    door, _, _ = door_to(engine, compute=550)
    await door.buy(wanted(n=4), purpose="generate")
    assert (engine.asked[0].n, engine.asked[0].max_tokens) == (2, 200)
    tight = Engine()
    door, _, _ = door_to(tight, compute=160)
    await door.buy(wanted(n=4), purpose="generate")
    assert (tight.asked[0].n, tight.asked[0].max_tokens) == (1, 60)


async def test_what_does_not_fit_is_not_sent() -> None:
    engine = Engine()
    door, ledger, _ = door_to(engine, compute=PROMPT + MIN_TOKENS - 1)
    with pytest.raises(BudgetExceeded):
        await door.buy(wanted(), purpose="generate")
    narrow = MeteredBackend(engine, ledger, Emitter(ledger), context=PROMPT + MIN_TOKENS - 1)
    with pytest.raises(PromptTooLong):
        await narrow.buy(wanted(), purpose="generate")
    assert engine.asked == []


async def test_a_server_that_ignores_max_tokens_is_cut_off() -> None:
    door, _, _ = door_to(Engine(tokens=201))
    purchase = await door.buy(wanted(), purpose="generate")
    assert "went on after max_tokens=200" in str(purchase.failure)


async def test_what_streamed_before_a_loss_is_charged_and_kept() -> None:
    door, ledger, _ = door_to(Engine(fails=BackendLost("gone")))
    purchase = await door.buy(wanted(n=2), purpose="generate")
    assert [s.finish for s in purchase.samples] == ["aborted", "aborted"]
    assert ledger.spent.completion_tokens == 40
    assert ledger.spent.compute == PROMPT + 40


async def test_a_request_that_was_turned_away_costs_no_tokens() -> None:
    door, ledger, _ = door_to(Engine(fails=BackendRefused("busy", status=503)))
    purchase = await door.buy(wanted(), purpose="generate")
    assert purchase.failure is not None
    assert (ledger.spent.compute, ledger.spent.requests) == (0, 1)


async def test_a_scope_pays_from_its_own_share_and_shares_the_meter() -> None:
    engine = Engine()
    door, ledger, _ = door_to(engine)
    scoped = door.within(ledger.scope(Budget(compute=150), name="search"))
    await scoped.buy(wanted(n=2), purpose="search")
    assert (engine.asked[0].n, engine.asked[0].max_tokens) == (1, 50)
    assert door.engine_prompt_tokens == PROMPT
    assert ledger.by_purpose["search"].compute == PROMPT - 64 + 20
