"""A server is asked how long a prompt is only where that can matter, and nothing else differs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from fake_vllm import CHAT, COUNT, Answer, Server, backend_of, events, page, piece, serving, total
from foretelling import ForetellingBackend
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from scripted_server import served
from virtual_time import in_virtual_time

from its_agent import Agent, Budget, Ledger, Solution, StopSignal
from its_agent.backends.faulty import FaultyBackend
from its_agent.backends.metered import MeteredBackend
from its_agent.backends.priced import Priced
from its_agent.backends.protocol import Backend, Request
from its_agent.backends.sample import ABORT_LAG
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import ItsAgentError
from its_agent.events import Emitter
from its_agent.integrations.gateway.tap import Tap
from its_agent.policy import STRATEGIES

EGGS = "How many eggs are there in 3 boxes of 6?"
PEARS = "A crate holds 12 pears, and 5 of 40 crates are empty. How many pears are there?"
AMPLE = 100_000
TOKENS_ONLY = sorted(name for name, one in STRATEGIES.items() if not one.runs_programs)


def answering(request: Request, index: int) -> Reply:
    return Reply(text=f"So it is \\boxed{{{(1, 18, 18, 18, 2)[index % 5]}}}.", tokens=30)


def asking(text: str, **settings: Any) -> Request:
    return Request(messages=({"role": "user", "content": text},), max_tokens=50, **settings)


async def solved(
    backend: Any, strategy: str, budget: int | Budget, question: str = PEARS
) -> Solution:
    agent = Agent(backend, strategy=strategy, max_tokens=200)
    return await agent.asolve(question, max_compute_budget=budget)


async def length(question: str) -> int:
    """Tokens of its usual prompt."""
    backend = ScriptedBackend(answering)
    await solved(backend, "single_pass", AMPLE, question)
    return await backend.count_prompt(backend.requests[0])


async def met(strategy: str = "single_pass", **options: Any) -> ForetellingBackend:
    """A backend that has solved one problem, and counts from then on."""
    backend = ForetellingBackend(answering, **options)
    await solved(backend, strategy, AMPLE, EGGS)
    backend.asked = 0
    return backend


def told(solution: Solution) -> Any:
    """All that a solve says, but for the time it took and its name."""
    receipt = solution.receipt
    spent = replace(receipt.spent, seconds=0.0)
    steps = [step._replace(spent=replace(step.spent, seconds=0.0)) for step in receipt.steps]
    ended = (receipt.stopped_because, receipt.engine_prompt_tokens, receipt.notes)
    return solution.text, solution.confidence, solution.status, spent, steps, ended


@pytest.mark.parametrize("strategy", ["single_pass", "attempts", "esc", "adaptive"])
async def test_with_an_ample_budget_a_new_prompt_is_never_counted_beforehand(strategy: str) -> None:
    backend = await met(strategy)
    solution = await solved(backend, strategy, AMPLE)
    assert backend.asked == 0
    assert solution.receipt.estimated_tokens == 0


async def test_it_is_counted_where_that_decides_how_many_samples_are_bought() -> None:
    backend = await met("self_consistency")
    budget = Budget(compute=await length(PEARS) + 4 * 200 - 1, requests=1)
    solution = await solved(backend, "self_consistency", budget)
    assert (backend.asked, backend.requests[-1].n) == (1, 3)
    assert len(solution.candidates) == 3


async def test_it_is_not_where_any_length_up_to_the_bound_leaves_room_for_as_many() -> None:
    backend = await met("self_consistency")
    await solved(backend, "self_consistency", Budget(compute=4 * 200 + 199, requests=1))
    assert (backend.asked, backend.requests[-1].n) == (0, 4)


async def test_it_is_counted_where_a_sample_has_to_be_shortened_for_the_budget() -> None:
    backend = await met()
    await solved(backend, "single_pass", 150)
    assert backend.asked == 1
    assert backend.requests[-1].max_tokens == 150 - await length(PEARS)


async def test_it_is_counted_near_the_end_of_the_context() -> None:
    backend = await met(context_length=530)
    question = PEARS + "," * 300
    await solved(backend, "single_pass", AMPLE, question)
    assert backend.asked == 1
    assert backend.requests[-1].max_tokens == 530 - await length(question) < 200


async def test_paths_that_reckon_with_the_prompt_have_it_counted_first() -> None:
    backend = await met("beam")
    await solved(backend, "beam", AMPLE)
    assert backend.asked > 0


async def test_what_is_checkpointed_is_a_count() -> None:
    backend = await met()
    saver = InMemorySaver()
    agent = Agent(backend, strategy="single_pass", checkpointer=saver)
    await agent.asolve(PEARS, max_compute_budget=AMPLE, thread_id="pears")
    tasks = [
        kept.checkpoint["channel_values"]["task"]
        for kept in saver.list({"configurable": {"thread_id": "pears"}})
        if "task" in kept.checkpoint["channel_values"]
    ]
    assert tasks
    assert {task["prompt_tokens"] for task in tasks} == {await length(PEARS)}
    assert not any(task["prompt_is_bounded"] for task in tasks)


@settings(max_examples=60, deadline=None)
@given(
    strategy=st.sampled_from(TOKENS_ONLY),
    compute=st.integers(min_value=60, max_value=6_000),
    requests=st.sampled_from((None, 1, 2, 5)),
    words=st.integers(min_value=0, max_value=60),
)
def test_a_solve_is_the_same_whether_its_prompt_was_counted_before_or_not(
    strategy: str, compute: int, requests: int | None, words: int
) -> None:
    async def end(backend: ScriptedBackend) -> Any:
        await solved(backend, "single_pass", AMPLE, EGGS)
        budget = Budget(compute=compute, requests=requests)
        try:
            return told(await solved(backend, strategy, budget, PEARS + " pear" * words))
        except ItsAgentError as error:
            return str(error)

    def engine(kind: type[ScriptedBackend]) -> ScriptedBackend:
        return kind(answering)

    foretelling, exact = engine(ForetellingBackend), engine(ScriptedBackend)
    assert asyncio.run(end(foretelling)) == asyncio.run(end(exact))
    assert foretelling.requests == exact.requests


class CountedServer(ScriptedBackend):
    """Behind a server, whose events are counted too."""

    counts = 0

    async def count_prompt(self, request: Request) -> int:
        self.counts += 1
        return await super().count_prompt(request)

    @property
    def asked(self) -> int:
        """How often it was asked by itself."""
        return self.counts - len(self.requests)


@pytest.mark.parametrize(("budget", "asked"), [(AMPLE, 0), (150, 1)])
async def test_receipts_say_what_the_server_counts(budget: int, asked: int) -> None:
    engine = CountedServer(answering)
    with served(engine) as address:
        async with Agent(VLLMBackend(address), strategy="single_pass") as agent:
            await agent.asolve(EGGS, max_compute_budget=AMPLE)
            before = engine.prompt_tokens, engine.generated_tokens, engine.asked
            receipt = (await agent.asolve(PEARS, max_compute_budget=budget)).receipt
    assert receipt.spent.prompt_tokens == engine.prompt_tokens - before[0]
    assert receipt.spent.completion_tokens == engine.generated_tokens - before[1]
    assert receipt.spent.compute == receipt.spent.prompt_tokens + receipt.spent.completion_tokens
    assert receipt.spent.compute <= budget
    assert receipt.estimated_tokens == 0
    assert engine.asked - before[2] == asked


WHOLE = events(piece(0, "42", count=1, finish="stop"), total(9, 1))
BOUND = 9 + len("abc") + 16


async def first_met(server: Server, backend: VLLMBackend) -> None:
    """Count one prompt, and see a usage agree."""
    server.answers[COUNT] = lambda: page({"count": 9})
    await backend.count_prompt(asking(EGGS))
    async for _ in backend.stream(asking(EGGS)):
        pass
    server.seen.clear()


async def door_to(
    backend: VLLMBackend | ForetellingBackend, *, compute: int = 1_000, stop: StopSignal
) -> tuple[MeteredBackend, Ledger]:
    ledger = Ledger(Budget(compute=compute), clock=asyncio.get_running_loop().time)
    offer = await backend.offer()
    return MeteredBackend(backend, ledger, Emitter(ledger), offer=offer, stop=stop), ledger


async def bought_of(content: bytes, *, hangs: bool = False, n: int = 1) -> tuple[Any, ...]:
    """What a request for a new prompt costs where it is answered so, and cut off if it hangs."""
    server, stop = serving(WHOLE), StopSignal()
    async with backend_of(server) as backend:
        await first_met(server, backend)
        server.answers[CHAT] = lambda: Answer(content, hangs=hangs)
        door, ledger = await door_to(backend, stop=stop)
        if hangs:
            asyncio.get_running_loop().call_later(0.3, stop.set)
        purchase = await door.buy(asking("abc", n=n), purpose="generate")
        assert ledger.spent.compute == purchase.usage.compute <= 1_000
        again = backend.prompt_bound(asking("abcd"))
        return purchase, door.meter, len(server.bodies(COUNT)), again


async def test_a_whole_answer_tells_the_count() -> None:
    purchase, meter, asked, _ = await bought_of(WHOLE)
    assert purchase.usage.prompt_tokens == 9
    assert (meter.estimated_tokens, asked) == (0, 0)


async def test_so_does_the_first_piece_of_one_that_is_cut_off() -> None:
    first = events(piece(0, "4", count=1), done=False)
    purchase, meter, asked, _ = await bought_of(first, hangs=True)
    assert purchase.usage.prompt_tokens == 9
    assert (meter.estimated_tokens, asked) == (0, 0)


async def test_a_request_cut_off_before_that_is_charged_the_bound_as_an_estimate() -> None:
    purchase, meter, asked, _ = await bought_of(b"", hangs=True)
    assert purchase.usage.prompt_tokens == meter.estimated_tokens == BOUND
    assert purchase.usage.completion_tokens == meter.unseen_tokens == ABORT_LAG
    assert asked == 0


async def test_where_a_whole_answer_tells_no_count_it_is_asked_for() -> None:
    silent = events(piece(0, "42", finish="stop"))
    purchase, _, asked, _ = await bought_of(silent)
    assert (purchase.usage.prompt_tokens, asked) == (9, 1)


@pytest.mark.parametrize("wrong", [0, BOUND + 1, 90_000])
async def test_a_usage_that_cannot_be_is_not_believed_and_bounds_end(wrong: int) -> None:
    lie = events(piece(0, "42", finish="stop"), total(wrong, 1))
    purchase, _, asked, again = await bought_of(lie)
    assert (purchase.usage.prompt_tokens, asked) == (9, 1)
    assert purchase.notes == (f"the server reported {wrong} prompt tokens where 9 were counted",)
    assert again is None


async def test_a_server_may_count_a_prompt_once_for_every_sample_and_is_not_believed_then() -> None:
    pieces = [piece(index, "42", finish="stop") for index in range(2)]
    purchase, _, asked, again = await bought_of(events(*pieces, total(18, 2)), n=2)
    assert (purchase.usage.prompt_tokens, asked, again) == (9, 1, None)


def test_other_than_samples_are_counted_first_as_they_are_asked_for_side_by_side() -> None:
    async def asked(purpose: str) -> int:
        backend = await met()
        door, _ = await door_to(backend, stop=StopSignal())
        await door.buy(asking(PEARS), purpose=purpose)
        return backend.asked

    counts = [in_virtual_time(asked(p)) for p in ("generate", "estimate", "verify", "search")]
    assert counts == [0, 0, 1, 1]


def dearer(inner: Backend) -> Priced:
    return Priced(inner, 3.0)


def without_a_fault(inner: Backend) -> FaultyBackend:
    return FaultyBackend(inner, lambda place, request: None)


@pytest.mark.parametrize("around", [dearer, without_a_fault, Tap])
async def test_a_backend_around_another_one_passes_on_what_is_known(around: Any) -> None:
    backend = await met()
    known = backend.prompt_bound(asking(PEARS))
    assert known is not None
    assert around(backend).prompt_bound(asking(PEARS)) == known
    assert around(ScriptedBackend(answering)).prompt_bound(asking(PEARS)) is None
