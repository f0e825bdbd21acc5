"""The one door: what it reserves, clamps, trusts of the engine's report, and charges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
from virtual_time import in_virtual_time

from its_agent import Budget
from its_agent.backends import Delta, Offer, Reply, Request, ScriptedBackend, StreamItem, Tokens
from its_agent.backends.faulty import Fault, FaultyBackend, Schedule
from its_agent.backends.fitting import MIN_TOKENS
from its_agent.backends.meter import Meter
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import ALL_CAPABILITIES
from its_agent.backends.purchase import Purchase
from its_agent.backends.retry import TRIES_BUSY
from its_agent.backends.sample import ABORT_LAG, Sample
from its_agent.errors import (
    BackendGarbled,
    BackendLost,
    BackendRefused,
    BudgetExceeded,
    PromptTooLong,
)
from its_agent.events import Emitter, Event, Generating, Requested, Retrying
from its_agent.ledger import Ledger
from its_agent.receipt import Fingerprint
from its_agent.stop_signal import StopSignal

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


def offer_of(context: int) -> Offer:
    return Offer(fingerprint=Fingerprint(model="m", backend="test", context_length=context))


def door_to(engine: Engine, *, compute: int = 10_000) -> tuple[MeteredBackend, Ledger, list[Event]]:
    events: list[Event] = []
    ledger = Ledger(Budget(compute=compute))
    door = MeteredBackend(engine, ledger, Emitter(ledger, (events.append,)), offer=offer_of(4096))
    return door, ledger, events


def always(fault: Fault) -> Schedule:
    return lambda place, request: fault


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
    assert door.meter.engine_prompt_tokens == 6 * PROMPT


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
    offer = offer_of(PROMPT + MIN_TOKENS - 1)
    narrow = MeteredBackend(engine, ledger, Emitter(ledger), offer=offer)
    with pytest.raises(PromptTooLong):
        await narrow.buy(wanted(), purpose="generate")
    assert engine.asked == []


async def test_a_server_that_ignores_max_tokens_is_cut_off() -> None:
    door, _, _ = door_to(Engine(tokens=201))
    purchase = await door.buy(wanted(), purpose="generate")
    assert "went on after max_tokens=200" in str(purchase.failure)


def test_what_streamed_before_a_loss_is_charged_and_kept_and_what_may_have_followed_too() -> None:
    door, ledger, _ = door_to(Engine(fails=BackendLost("gone")))
    purchase = in_virtual_time(door.buy(wanted(n=2), purpose="generate"))
    assert [s.finish for s in purchase.samples] == ["aborted"] * 4
    unseen = 2 * 2 * (ABORT_LAG + 20)
    assert door.meter.unseen_tokens == unseen
    assert ledger.spent.completion_tokens == 2 * 40 + unseen
    assert ledger.spent.compute == 2 * (PROMPT + 40) + unseen
    assert (ledger.spent.requests, door.meter.retries) == (2, 1)


def test_a_request_that_was_turned_away_costs_no_tokens_and_is_made_again() -> None:
    door, ledger, events = door_to(Engine(fails=BackendRefused("busy", status=503, retry_after=7)))
    purchase = in_virtual_time(door.buy(wanted(n=8), purpose="generate"))
    assert purchase.failure is not None
    assert (ledger.spent.compute, ledger.spent.requests) == (0, TRIES_BUSY)
    assert [e.wait for e in events if isinstance(e, Retrying)] == [7.0] * (TRIES_BUSY - 1)


def test_a_busy_server_is_asked_for_half_as_many_samples() -> None:
    engine = Engine(fails=BackendRefused("busy", status=429))
    door, _, _ = door_to(engine)
    in_virtual_time(door.buy(wanted(n=8), purpose="generate"))
    assert [request.n for request in engine.asked] == [8, 4, 2, 1, 1]


@pytest.mark.parametrize("failure", [BackendRefused("no", status=400), BackendGarbled("?")])
def test_what_cannot_succeed_is_not_tried_again(failure: Exception) -> None:
    engine = Engine(fails=failure)
    door, _, _ = door_to(engine)
    purchase = in_virtual_time(door.buy(wanted(), purpose="generate"))
    assert purchase.failure is failure
    assert len(engine.asked) == 1


def test_only_the_samples_that_are_missing_are_asked_for_again() -> None:
    engine = FaultyBackend(
        ScriptedBackend(lambda r, i: Reply(text="ab", tokens=(i + 1) * 8)),
        lambda place, request: Fault(kind="lost", after=5) if place == 0 else None,
    )
    events: list[Event] = []
    ledger = Ledger(Budget(compute=10_000))
    door = MeteredBackend(engine, ledger, Emitter(ledger, (events.append,)), offer=offer_of(4096))
    purchase = in_virtual_time(door.buy(wanted(n=4), purpose="generate"))
    assert [s.finish for s in purchase.samples].count("stop") == 4
    assert purchase.failure is None
    assert "tried again after: the engine is gone" in purchase.notes


def test_the_server_s_count_is_believed_where_it_is_possible() -> None:
    for factor, believed in ((1.0, True), (0.0, False), (0.5, False), (1000.0, False)):
        wrong = Fault(kind="wrong_usage", factor=factor)
        engine = FaultyBackend(
            ScriptedBackend(lambda r, i: Reply(text="ab", tokens=40)), always(wrong)
        )
        ledger = Ledger(Budget(compute=1_000))
        door = MeteredBackend(engine, ledger, Emitter(ledger), offer=offer_of(4096))
        purchase = in_virtual_time(door.buy(wanted(n=2), purpose="generate"))
        assert 2 * 40 <= ledger.spent.completion_tokens <= 2 * 200
        assert (purchase.notes == ()) is believed


def test_without_the_server_s_count_the_pieces_are_counted_and_marked() -> None:
    engine = FaultyBackend(
        ScriptedBackend(lambda r, i: Reply(text="ab", tokens=40)),
        lambda place, request: Fault(kind="no_usage"),
    )
    ledger = Ledger(Budget(compute=1_000))
    door = MeteredBackend(engine, ledger, Emitter(ledger), offer=offer_of(4096))
    in_virtual_time(door.buy(wanted(n=2), purpose="generate"))
    assert ledger.spent.completion_tokens == 80
    assert door.meter.estimated_tokens == 80


class Uncounted(FaultyBackend):
    """Tells no counts; what its tokenizer does is up to the test."""

    def __init__(self, tokenizer: Callable[[], Awaitable[int | None]], *, delay: float = 0) -> None:
        source = ScriptedBackend(lambda r, i: Reply(text="ab " * 20, tokens=40), delay=delay)
        super().__init__(source, always(Fault(kind="uncounted")))
        self.tokenizer = tokenizer

    async def count_text(self, text: str) -> int | None:
        return await self.tokenizer()


async def thirty() -> int:
    return 30


async def no_page() -> None:
    return None


async def hangs() -> int:
    await asyncio.sleep(600)
    return 30


async def is_lost() -> int:
    raise BackendLost("gone")


@pytest.mark.parametrize(
    ("tokenizer", "each"), [(thirty, 31), (no_page, 80), (hangs, 80), (is_lost, 80)]
)
def test_what_nobody_counted_is_tokenized_or_stays_estimated(
    tokenizer: Callable[[], Awaitable[int | None]], each: int
) -> None:
    ledger = Ledger(Budget(compute=1_000))
    door = MeteredBackend(Uncounted(tokenizer), ledger, Emitter(ledger), offer=offer_of(4096))
    purchase = in_virtual_time(door.buy(wanted(n=2), purpose="generate"))
    assert purchase.failure is None
    assert [sample.usage.completion_tokens for sample in purchase.samples] == [each, each]
    assert ledger.spent.completion_tokens == door.meter.estimated_tokens == 2 * each
    assert ledger.held.compute == 0


@pytest.mark.parametrize("end", ["deadline", "cancelled", "decided"])
def test_only_a_decided_vote_waits_for_the_tokenizer(end: str) -> None:
    counted: list[str] = []

    async def tokenizer() -> int:
        counted.append(end)
        return 3

    async def cut_off() -> tuple[Purchase, Meter]:
        clock = asyncio.get_running_loop().time
        seconds = 1.5 if end == "deadline" else None
        ledger = Ledger(Budget(compute=1_000, seconds=seconds), clock=clock)
        stop, decided = StopSignal(), StopSignal()
        backend = Uncounted(tokenizer, delay=1)
        offer = offer_of(4096)
        door = MeteredBackend(backend, ledger, Emitter(ledger), offer=offer, stop=stop)
        signals = {"cancelled": stop, "decided": decided}
        if end in signals:
            asyncio.get_running_loop().call_later(1.5, signals[end].set)
        bought = await door.buy(wanted(n=2), purpose="generate", decided=decided)
        assert clock() < 2
        return bought, door.meter

    purchase, meter = in_virtual_time(cut_off())
    assert purchase.interrupted == end
    each = 3 if end == "decided" else 16
    assert [sample.usage.completion_tokens for sample in purchase.samples] == [each, each]
    assert meter.unseen_tokens > 0
    assert counted == ["decided"] * 2 * (end == "decided")


@pytest.mark.parametrize("kind", [Requested, Generating])
async def test_a_listener_that_raises_leaves_no_reservation(kind: type[Event]) -> None:
    def listener(event: Event) -> None:
        if isinstance(event, kind):
            raise RuntimeError("the listener is broken")

    ledger = Ledger(Budget(compute=1_000))
    door = MeteredBackend(Engine(), ledger, Emitter(ledger, (listener,)), offer=offer_of(4096))
    with pytest.raises(RuntimeError, match="broken"):
        await door.buy(wanted(), purpose="generate")
    assert ledger.held.compute == 0
    assert ledger.spent.compute >= PROMPT


async def test_a_sample_is_the_one_that_was_seen_as_it_ended() -> None:
    door, _, _ = door_to(Engine())
    ended: list[Sample] = []
    bought = await door.buy(wanted(n=3), purpose="generate", watch=ended.append)
    assert [a is b for a, b in zip(bought.samples, ended, strict=True)] == [False, True, True]
    assert bought.samples[0].usage.prompt_tokens == PROMPT


def test_a_server_without_n_is_noticed_by_its_answer() -> None:
    engine = ScriptedBackend(
        lambda r, i: Reply(text="ab", tokens=40), capabilities=ALL_CAPABILITIES - {"n"}
    )
    ledger = Ledger(Budget(compute=10_000))
    door = MeteredBackend(engine, ledger, Emitter(ledger), offer=offer_of(4096))
    purchase = in_virtual_time(door.buy(wanted(n=4), purpose="generate"))
    assert len(purchase.samples) == 1
    assert not door.can("n")
    assert ledger.spent.completion_tokens == 40


async def test_a_scope_pays_from_its_own_share_and_shares_the_meter() -> None:
    engine = Engine()
    door, ledger, _ = door_to(engine)
    scoped = door.within(ledger.scope(Budget(compute=150), name="search"))
    await scoped.buy(wanted(n=2), purpose="search")
    assert (engine.asked[0].n, engine.asked[0].max_tokens) == (1, 50)
    assert door.meter.engine_prompt_tokens == PROMPT
    assert ledger.by_purpose["search"].compute == PROMPT - 64 + 20
