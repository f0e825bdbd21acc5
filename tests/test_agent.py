"""What a solve promises, whatever the engine does: shown on scripted engines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph
from scripted_server import served
from virtual_time import in_virtual_time

from its_agent import Agent, Budget, Ledger, Problem, Solution, StopSignal, Usage
from its_agent.agent import ProblemLike
from its_agent.backends.protocol import Offer, Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.difficulty import SOURCES
from its_agent.errors import (
    BackendLost,
    BackendUnreachable,
    BudgetTooSmall,
    InvalidBudget,
    InvalidInput,
    InvalidOption,
    InvalidProblem,
    ItsAgentError,
    PromptTooLong,
    SolveFailed,
    UnknownStrategy,
)
from its_agent.events import Event, Generating, Judged, Routed, Sampled, Solved
from its_agent.policy import STRATEGIES
from its_agent.verifiers import AnswerCheck

EGGS = "How many eggs are there in 3 boxes of 6?"
TOKENS_ONLY = sorted(name for name, one in STRATEGIES.items() if not one.runs_programs)
"""Strategies that start no process: virtual time does not wait for one."""
FREE_SOURCES = ("text_features", "first_wave")


def boxed(answer: object, *, tokens: int = 60, logprob: float = -0.2) -> Reply:
    return Reply(text=f"So it is \\boxed{{{answer}}}.", tokens=tokens, logprob=logprob)


def always(answer: object) -> Callable[[Request, int], Reply]:
    return lambda request, index: boxed(answer)


def never_twice(request: Request, index: int) -> Reply:
    return boxed(index)


async def solved(
    backend: ScriptedBackend,
    budget: int | Budget = 4000,
    problem: ProblemLike = EGGS,
    *,
    strategy: str = "adaptive",
    estimate: Iterable[str] = FREE_SOURCES,
    events: list[Event] | None = None,
) -> Solution:
    sink = None if events is None else events.append
    async with Agent(backend, strategy=strategy, estimate=estimate, on_event=sink) as agent:
        return await agent.asolve(problem, max_compute_budget=budget)


async def test_spend_follows_difficulty() -> None:
    easy = await solved(ScriptedBackend(always(18)), 6000)
    hard = await solved(ScriptedBackend(never_twice), 6000)
    assert easy.answer == "18"
    assert easy.status == "agreed"
    assert easy.receipt.stopped_because == "confident"
    assert hard.status == "best_effort"
    assert hard.receipt.spent.compute > 3 * easy.receipt.spent.compute
    assert easy.confidence > 0.9 > 0.3 > hard.confidence


async def test_hopeless_problems_are_given_up() -> None:
    solution = await solved(ScriptedBackend(never_twice), 100_000)
    assert solution.receipt.stopped_because == "no_gain"
    assert solution.receipt.spent.compute < 10_000


async def test_a_greedy_sample_comes_first_and_warm_ones_to_doubt_it() -> None:
    backend = ScriptedBackend(always(18))
    await solved(backend)
    first, *others = backend.requests
    assert (first.temperature, first.n) == (0.0, 1)
    assert {request.temperature for request in others} == {0.8}


replies = st.one_of(
    st.builds(
        boxed,
        st.integers(0, 3),
        tokens=st.integers(1, 600),
        logprob=st.floats(-3, -0.01),
    ),
    st.builds(Reply, text=st.just("no idea"), tokens=st.integers(1, 600)),
    st.just(Reply(text="No errors.", tokens=3)),
    st.just(Reply(text="First step.\n\n", tokens=20)),
    st.just(BackendLost("the engine is gone")),
)


@settings(max_examples=150, deadline=None)
@given(
    script=st.lists(replies, min_size=1, max_size=12),
    budget=st.integers(20, 5000),
    strategy=st.sampled_from(TOKENS_ONLY),
    question=st.sampled_from([EGGS, "What is the capital of France?", "Write a poem. " * 60]),
    cost=st.sampled_from([1.0, 0.3, 2.5]),
)
def test_no_run_exceeds_its_budget_and_every_run_ends_well(
    script: list[Reply | BackendLost], budget: int, strategy: str, question: str, cost: float
) -> None:
    backend = ScriptedBackend(
        lambda request, index: script[index % len(script)], relative_cost=cost
    )
    events: list[Event] = []
    try:
        solution = in_virtual_time(
            solved(backend, budget, question, strategy=strategy, events=events)
        )
    except BudgetTooSmall:
        assert backend.requests == []
        return
    except SolveFailed as failed:
        receipt = failed.receipt
    else:
        receipt = solution.receipt
        assert solution.status in ("agreed", "best_effort", "abstained")
        assert (solution.answer is None) == (solution.status == "abstained")
        assert "gone" not in (solution.answer or "")
    assert all(e.spent.compute + e.held.compute <= budget for e in events)
    assert receipt.spent.compute <= budget
    by_purpose = sum(receipt.by_purpose.values(), Usage())
    assert by_purpose.compute == receipt.spent.compute
    assert by_purpose.completion_tokens == receipt.spent.completion_tokens
    if not receipt.notes:
        seen = receipt.spent.completion_tokens - receipt.unseen_tokens
        assert seen == backend.generated_tokens
        assert receipt.engine_prompt_tokens == backend.prompt_tokens
        assert (
            sum(s.spent.compute for s in receipt.steps)
            + receipt.by_purpose.get("estimate", Usage()).compute
            == receipt.spent.compute
        )


def test_a_lost_backend_yields_the_best_answer_so_far() -> None:
    lost = BackendLost("the engine is gone")
    script: list[Reply | BackendLost] = [boxed(18), boxed(18), boxed(7), boxed(3), lost]
    backend = ScriptedBackend(lambda request, index: script[min(index, 4)])
    solution = in_virtual_time(solved(backend))
    assert solution.answer == "18"
    assert solution.receipt.stopped_because == "backend_lost"
    assert solution.receipt.notes == (
        "tried again after: the engine is gone",
        "the engine is gone",
    )
    assert solution.receipt.retries == 1


def test_a_backend_lost_before_the_first_sample_is_an_error_with_the_receipt() -> None:
    backend = ScriptedBackend(lambda request, index: BackendLost("the engine is gone"))
    with pytest.raises(SolveFailed, match="the engine is gone") as caught:
        in_virtual_time(solved(backend))
    assert caught.value.receipt.stopped_because == "backend_lost"
    assert (caught.value.receipt.spent.requests, caught.value.receipt.retries) == (2, 1)


async def test_a_deadline_is_kept_within_a_quarter_of_a_second() -> None:
    backend = ScriptedBackend(never_twice, delay=0.02, chunk_tokens=2)
    for seconds in (0.3, 0.7, 1.1):
        started = time.monotonic()
        solution = await solved(backend, Budget(seconds=seconds))
        assert time.monotonic() - started < seconds + 0.25
        assert solution.receipt.stopped_because == "deadline"


async def test_a_backend_that_never_says_what_it_is_ends_with_the_deadline() -> None:
    class Mute(ScriptedBackend):
        async def offer(self) -> Offer:
            await asyncio.sleep(3600)
            return await super().offer()

    with pytest.raises(BackendUnreachable, match="before the solve had to end"):
        await solved(Mute(always(18)), Budget(seconds=0.1))


async def test_a_stop_from_outside_leaves_the_best_answer_so_far() -> None:
    backend = ScriptedBackend(never_twice, delay=0.01)
    stop = StopSignal()

    def after_the_first_verdict(event: Event) -> None:
        if isinstance(event, Judged):
            asyncio.get_running_loop().call_later(0.02, stop.set)

    async with Agent(backend, on_event=after_the_first_verdict) as agent:
        solution = await agent.asolve(EGGS, max_compute_budget=50_000, stop=stop)
    assert solution.answer is not None
    assert solution.receipt.stopped_because == "cancelled"
    assert backend.aborted == 1
    assert solution.receipt.unseen_tokens > 0
    assert solution.receipt.spent.completion_tokens >= backend.generated_tokens


async def test_a_stop_before_the_first_sample_is_an_error_with_the_receipt() -> None:
    backend = ScriptedBackend(always(18), delay=3600)
    stop = StopSignal()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    async with Agent(backend, estimate=FREE_SOURCES) as agent:
        with pytest.raises(SolveFailed, match="stopped before the first sample") as caught:
            await agent.asolve(EGGS, stop=stop)
    assert caught.value.receipt.stopped_because == "cancelled"
    assert caught.value.receipt.spent.requests == 1


async def test_cancelling_somebody_else_s_graph_cancels_the_requests_of_the_agent_in_it() -> None:
    class Host(TypedDict):
        answer: str | None

    backend = ScriptedBackend(always(18), delay=3600)
    async with Agent(backend, estimate=FREE_SOURCES) as agent:

        async def node(state: Host) -> Host:
            return {"answer": (await agent.asolve(EGGS)).answer}

        graph = StateGraph(Host)
        graph.add_node("node", node)
        graph.add_edge(START, "node")
        task = asyncio.create_task(graph.compile().ainvoke({"answer": None}))
        while not backend.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert backend.aborted == 1


async def test_solves_that_share_a_ledger_stay_inside_it_together() -> None:
    backend = ScriptedBackend(never_twice, delay=0.001)
    shared = Ledger(Budget(compute=5_000))
    async with Agent(backend, estimate=FREE_SOURCES) as agent:
        solving = [agent.asolve(EGGS, max_compute_budget=3_000, ledger=shared) for _ in range(8)]
        ended = await asyncio.gather(*solving, return_exceptions=True)
    solutions = [one for one in ended if isinstance(one, Solution)]
    assert shared.spent.compute <= 5_000
    assert shared.spent.compute == sum(s.receipt.spent.compute for s in solutions)
    assert shared.held == Usage()
    assert all(isinstance(one, (Solution, BudgetTooSmall)) for one in ended)
    assert len(solutions) >= 5


async def test_a_batch_keeps_the_order_the_total_and_what_failed() -> None:
    backend = ScriptedBackend(always(18))
    async with Agent(backend, estimate=FREE_SOURCES) as agent:
        results = await agent.abatch(
            [EGGS, "", EGGS, EGGS], max_compute_budget=2_000, total_compute_budget=6_000
        )
    assert [type(r) for r in results] == [Solution, InvalidProblem, Solution, Solution]
    spent = sum(r.receipt.spent.compute for r in results if isinstance(r, Solution))
    assert 0 < spent <= 6_000


async def test_a_wide_wave_is_aborted_once_its_vote_is_decided_and_charged_for_what_it_used() -> (
    None
):
    def script(request: Request, index: int) -> Reply:
        return boxed(18, tokens=40 if index < 12 else 400)

    backend = ScriptedBackend(script, delay=0.001)
    solution = await solved(backend, 8_000, strategy="adaptive_consistency")
    assert solution.receipt.stopped_because == "confident"
    assert solution.answer == "18"
    finished = [c for c in solution.candidates if c.finish == "stop"]
    assert len(finished) < len(solution.candidates)
    assert solution.receipt.spent.compute < 15 * 400
    assert solution.receipt.spent.completion_tokens >= backend.generated_tokens


async def test_a_first_wave_of_four_is_never_cut_short() -> None:
    def script(request: Request, index: int) -> Reply:
        return boxed(18, tokens=400 if index == 3 else 20)

    solution = await solved(
        ScriptedBackend(script, delay=0.001), 2_300, strategy="adaptive_consistency"
    )
    assert [c.finish for c in solution.candidates] == ["stop"] * 4


async def test_samples_that_were_cut_off_never_vote_and_are_counted() -> None:
    def script(request: Request, index: int) -> Reply:
        return boxed(18, tokens=90) if index == 0 else boxed(7, tokens=600)

    solution = await solved(ScriptedBackend(script), 2500)
    assert solution.answer == "18"
    assert solution.receipt.truncated == len(solution.candidates) - 1 > 0
    assert all(c.answer is None for c in solution.candidates if c.finish == "length")


async def test_without_any_answer_it_abstains() -> None:
    solution = await solved(ScriptedBackend(lambda r, i: Reply(text="Hm.", tokens=40)), 1000)
    assert (solution.answer, solution.status, solution.confidence) == (None, "abstained", 0.0)


async def test_votes_without_an_answer_do_not_outvote_one_with() -> None:
    backend = ScriptedBackend(
        lambda request, index: boxed(18) if index == 0 else Reply(text="Hm.", tokens=40)
    )
    solution = await solved(backend, 2000)
    assert solution.answer == "18"


async def test_the_deadline_returns_the_best_answer_so_far() -> None:
    backend = ScriptedBackend(never_twice, delay=0.1)
    solution = await solved(backend, Budget(seconds=1.5))
    assert solution.answer is not None
    assert solution.receipt.stopped_because == "deadline"
    assert 1.5 <= solution.receipt.elapsed_seconds < 3


async def test_a_request_budget_holds() -> None:
    backend = ScriptedBackend(never_twice)
    solution = await solved(backend, Budget(requests=3, compute=50_000))
    assert solution.receipt.spent.requests == len(backend.requests) == 3
    assert solution.receipt.stopped_because == "budget"


async def test_cancelling_a_solve_closes_its_requests() -> None:
    backend = ScriptedBackend(always(18), delay=10)
    async with Agent(backend, estimate=FREE_SOURCES) as agent:
        task = asyncio.create_task(agent.asolve(EGGS))
        while not backend.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert backend.aborted == 1


async def test_the_stream_tells_what_happens_and_ends_with_the_solution() -> None:
    async with Agent(ScriptedBackend(always(18))) as agent:
        events = [event async for event in agent.astream(EGGS)]
    kinds = [type(event) for event in events]
    assert {Routed, Sampled, Judged} <= set(kinds)
    assert kinds.index(Routed) < kinds.index(Sampled) < kinds.index(Judged)
    last = events[-1]
    assert isinstance(last, Solved)
    assert last.solution.answer == "18"


async def test_leaving_the_stream_early_aborts_the_work() -> None:
    backend = ScriptedBackend(always(18), delay=0.05)
    async with Agent(backend, estimate=FREE_SOURCES) as agent:
        stream = agent.astream(EGGS)
        async for event in stream:
            if isinstance(event, Generating):
                break
        await stream.aclose()
    assert backend.aborted == len(backend.requests) == 1


async def test_the_sync_name_works_inside_a_running_loop() -> None:
    agent = Agent(ScriptedBackend(always(18)))
    assert agent.solve(EGGS).answer == "18"
    agent.close()


def test_one_agent_may_be_used_from_several_event_loops() -> None:
    with served(ScriptedBackend(always(18))) as address:
        agent = Agent(address)

        async def once() -> str | None:
            solution = await agent.asolve(EGGS)
            await agent.aclose()
            return solution.answer

        assert asyncio.run(once()) == "18"
        assert agent.solve(EGGS).answer == "18"
        assert asyncio.run(once()) == "18"
        agent.close()


async def test_the_receipt_is_text_and_json() -> None:
    solution = await solved(ScriptedBackend(always(18)))
    receipt = solution.receipt
    step = receipt.steps[0]
    path, arm, why, bought, spent, outcome = step
    assert (path, arm, bought) == ("single_pass", "step_by_step", "1 sample")
    steps = sum(step.spent.compute for step in receipt.steps)
    assert steps == receipt.by_purpose["generate"].compute > spent.compute
    assert why
    assert outcome.startswith("18")
    assert f"{receipt.spent.compute:,} compute units of 4,000" in str(receipt)
    plain = json.loads(solution.to_json())
    assert plain["receipt"]["spent"]["compute"] == receipt.spent.compute
    assert plain["receipt"]["engine"]["model"] == "scripted"


async def test_asking_the_model_costs_and_is_on_the_receipt_or_switched_off() -> None:
    def script(request: Request, index: int) -> Reply:
        knows = Reply(text="Yes", top_logprobs={"Yes": -0.1, "No": -3.0})
        return knows if request.top_logprobs else boxed(18)

    asked = await solved(ScriptedBackend(script), 10_000, estimate=SOURCES)
    assert asked.receipt.by_purpose["estimate"].requests == 1
    quiet = await solved(ScriptedBackend(script), 10_000, estimate=["text_features"])
    assert "estimate" not in quiet.receipt.by_purpose
    frugal = await solved(ScriptedBackend(script), 600, estimate=SOURCES)
    assert "estimate" not in frugal.receipt.by_purpose


@pytest.mark.parametrize(
    "strategy", ["beam", "a_star", "dvts", "rebase", "particle_filter", "entropic_particle_filter"]
)
@pytest.mark.parametrize("budget", [700, 1_000, 1_500])
async def test_a_search_that_cannot_go_on_takes_its_likeliest_path_to_the_end(
    strategy: str, budget: int
) -> None:
    def endless(request: Request, index: int) -> Reply:
        if request.stop:
            return Reply(text=f"Step {index}.\n\n", tokens=30, logprob=-0.1 - index / 10)
        return boxed(18, tokens=100)

    backend = ScriptedBackend(endless)
    solution = await solved(backend, budget, strategy=strategy)
    assert solution.answer == "18"
    assert solution.text.startswith("Step 0.")
    assert solution.receipt.spent.compute <= budget


@pytest.mark.parametrize("strategy", ["beam", "a_star"])
async def test_a_search_continues_partial_solutions_step_by_step(strategy: str) -> None:
    def script(request: Request, index: int) -> Reply:
        if not request.continue_partial:
            return Reply(text=f"Step {index}.\n\n", tokens=10)
        return boxed(18, tokens=10)

    backend = ScriptedBackend(script)
    solution = await solved(backend, strategy=strategy)
    assert solution.answer == "18"
    assert solution.candidates[0].text.startswith("Step")
    assert solution.receipt.explored_nodes == len([1 for r in backend.requests for _ in range(r.n)])
    assert all(r.messages[-1]["role"] == "assistant" for r in backend.requests[1:])


async def test_a_search_on_the_way_keeps_to_its_part_of_what_is_left() -> None:
    def script(request: Request, index: int) -> Reply:
        if request.stop:
            return Reply(text=f"Step {index}.\n\n", tokens=100)
        return boxed(index, tokens=30)

    solution = await solved(ScriptedBackend(script), 6000, "How many? " + "1 " * 30)
    before = 0
    for step in solution.receipt.steps:
        if step.path == "search":
            assert 0 < step.spent.compute <= (6000 - before) / 2
        before += step.spent.compute
    assert "search" in [step.path for step in solution.receipt.steps]


@pytest.mark.parametrize(
    ("question", "asks_for_a_box"),
    [
        (EGGS, True),
        ("What is the capital of France?", False),
        ("Write a short poem about rain.", False),
    ],
)
async def test_a_box_is_asked_for_only_where_the_answer_wants_it(
    question: str, asks_for_a_box: bool
) -> None:
    backend = ScriptedBackend(lambda r, i: Reply(text="Paris", tokens=2))
    await solved(backend, 1000, question)
    assert ("\\boxed{}" in backend.requests[0].messages[-1]["content"]) is asks_for_a_box


async def test_a_conversation_that_outgrows_the_context_ends_the_path_and_keeps_the_answer() -> (
    None
):
    critique = '"So it is" is wrong, ' * 20
    backend = ScriptedBackend([boxed(18, tokens=60), critique], context_length=220)
    solution = await solved(backend, 4000, strategy="refine")
    assert solution.answer == "18"
    assert solution.receipt.stopped_because in ("complete", "no_gain")
    assert "model's context 220" in solution.receipt.notes[0]


async def test_a_prompt_that_only_just_fits_ends_well() -> None:
    backend = ScriptedBackend(always(18), context_length=49)
    solution = await solved(backend, 4000)
    assert solution.status == "abstained"
    assert solution.receipt.spent.compute < 4000


async def test_open_ended_answers_are_compared_as_text() -> None:
    texts = ["Paris", "paris.", "Paris", "Lyon"]
    backend = ScriptedBackend(lambda r, i: Reply(text=texts[i % 4], tokens=2))
    solution = await solved(backend, 4000, "What is the capital of France?")
    assert solution.answer == "Paris"
    assert solution.status == "agreed"


async def test_earlier_messages_stay_as_they_are() -> None:
    history = [
        {"role": "system", "content": "You count eggs."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": EGGS},
    ]
    backend = ScriptedBackend(always(18))
    await solved(backend, 4000, history)
    assert [dict(m) for m in backend.requests[0].messages[:3]] == history[:3]


async def test_a_schema_makes_the_answer_json() -> None:
    schema = {"type": "object", "properties": {"eggs": {"type": "integer"}}}
    backend = ScriptedBackend(lambda r, i: Reply(text='{"eggs": 18}', tokens=6))
    problem = Problem([{"role": "user", "content": EGGS}], schema=schema)
    solution = await solved(backend, 600, problem)
    assert backend.requests[0].schema == schema
    assert json.loads(solution.answer or "") == {"eggs": 18}


@pytest.mark.parametrize(
    ("problem", "budget", "error", "says"),
    [
        ("", 4000, InvalidProblem, "the problem is empty"),
        ("   ", 4000, InvalidProblem, "the problem is empty"),
        ([], 4000, InvalidProblem, "the problem is empty"),
        ([{"role": "user"}], 4000, InvalidProblem, "needs 'role' and 'content'"),
        ("x" * 2_000_000, 4000, InvalidProblem, "2,000,000 characters"),
        (EGGS, 0, InvalidBudget, "greater than 0, got 0"),
        (EGGS, -1, InvalidBudget, "greater than 0, got -1"),
        (EGGS, 12, BudgetTooSmall, "needs .* compute units"),
        ("egg " * 5000, 40_000, PromptTooLong, "the model's context 4,096"),
    ],
)
async def test_bad_input_fails_before_any_spend(
    problem: ProblemLike, budget: int, error: type[InvalidInput], says: str
) -> None:
    backend = ScriptedBackend(always(18))
    with pytest.raises(error, match=says):
        await solved(backend, budget, problem)
    assert backend.requests == []


def test_bad_options_name_what_is_allowed() -> None:
    backend = ScriptedBackend(always(18))
    with pytest.raises(UnknownStrategy, match="'magic'; known: adaptive"):
        Agent(backend, strategy="magic")
    with pytest.raises(InvalidOption, match="temperature must be from 0 to 2, got 3"):
        Agent(backend, temperature=3)
    with pytest.raises(InvalidOption, match="max_tokens must be"):
        Agent(backend, max_tokens=0)
    with pytest.raises(InvalidOption, match="'tea_leaves'; known: text_features"):
        Agent(backend, estimate=["tea_leaves"])


def test_every_error_is_of_one_tree() -> None:
    assert issubclass(SolveFailed, ItsAgentError)
    assert issubclass(InvalidInput, ValueError)


def right_is(answer: str) -> AnswerCheck:
    return AnswerCheck(lambda given: given == answer, name="the key")


async def test_the_first_answer_that_a_check_passes_wins_and_the_rest_is_aborted() -> None:
    def script(request: Request, index: int) -> Reply:
        return boxed(18, tokens=40) if index == 2 else boxed(index, tokens=400)

    backend = ScriptedBackend(script, delay=0.001)
    for strategy in ("adaptive", "self_consistency"):
        agent = Agent(backend, strategy=strategy, estimate=FREE_SOURCES, verifiers=[right_is("18")])
        async with agent:
            solution = await agent.asolve(EGGS, max_compute_budget=3_000)
        backend = ScriptedBackend(script, delay=0.001)
        assert (solution.answer, solution.status, solution.confidence) == ("18", "verified", 1.0)
        assert solution.receipt.stopped_because == "confident"
        assert [c.finish for c in solution.candidates].count("aborted") >= 1
        assert "'the key' passes this answer" in solution.reasons


async def test_an_answer_that_a_check_fails_has_no_vote_however_frequent_it_is() -> None:
    async with Agent(
        ScriptedBackend(always(7)), estimate=FREE_SOURCES, verifiers=[right_is("18")]
    ) as agent:
        solution = await agent.asolve(EGGS, max_compute_budget=2_000)
    assert (solution.answer, solution.status) == (None, "abstained")
    assert any("failed the checks" in reason for reason in solution.reasons)


async def test_a_check_that_breaks_says_nothing_and_is_named() -> None:
    broken = AnswerCheck(lambda answer: bool(int("x")), name="mine")
    async with Agent(
        ScriptedBackend(always(18)), estimate=FREE_SOURCES, verifiers=[broken]
    ) as agent:
        solution = await agent.asolve(EGGS, max_compute_budget=2_000)
    assert (solution.answer, solution.status) == ("18", "agreed")
    assert "the check 'mine' broke and said nothing" in solution.reasons
