"""Searches that cut solutions in other places, and go by other scores than log-probability."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import Judge, judged, judging
from langgraph.checkpoint.memory import InMemorySaver
from resumable import EGGS, THREAD
from virtual_time import in_virtual_time

from its_agent import Agent, Budget, Solution, Usage
from its_agent.backends.protocol import ALL_CAPABILITIES, Capability, Request
from its_agent.backends.scripted import Line, Reply, ScriptedBackend
from its_agent.errors import BackendRefused, BudgetTooSmall, SolveFailed
from its_agent.events import Event
from its_agent.graphs.algorithms import ALGORITHMS
from its_agent.graphs.solve import solve_graph
from its_agent.graphs.step_scores import ByFunction
from its_agent.graphs.steps import Steps
from its_agent.graphs.thread import IN_FLIGHT, find, thread

BUDGET = 6_000
BEST = 2
"""The number of the first step that is worth most; that of the likeliest is 0."""
each_algorithm = pytest.mark.parametrize("strategy", sorted(ALGORITHMS))
each_greedy = pytest.mark.parametrize("strategy", sorted(set(ALGORITHMS) - {"ab_mcts"}))
"""AB-MCTS draws where it goes on: better steps are only likelier to be gone on with."""


def two_steps(request: Request, index: int) -> Reply:
    """First steps that are the likelier the lower their number; then the number is the answer."""
    begun = number_in(partial_of(request))
    if begun is None:
        return Reply(text=f"Step {index}.\n\n", tokens=10, logprob=-0.01 - index / 10)
    return Reply(text=f"So it is \\boxed{{{begun}}}.", tokens=12)


def partial_of(request: Request) -> str:
    return str(request.messages[-1]["content"]) if request.continue_partial else ""


def number_in(text: str) -> int | None:
    found = re.search(r"Step (\d+)", text)
    return int(found[1]) if found else None


def worth(text: str) -> str:
    return "0.999" if number_in(text) == BEST else "0.05"


def continued(backend: ScriptedBackend) -> list[int | None]:
    """The numbers of the first steps that were gone on with, in that order, those before the
    others of which more continuations were asked for."""
    asked = [r for r in backend.requests if r.continue_partial]
    asked.sort(key=lambda request: -request.n)
    return [number_in(partial_of(request)) for request in asked]


async def solved(
    backend: ScriptedBackend,
    budget: int = BUDGET,
    *,
    strategy: str = "beam",
    events: list[Event] | None = None,
    **options: Any,
) -> Solution:
    sink = None if events is None else events.append
    async with Agent(backend, strategy=strategy, on_event=sink, **options) as agent:
        return await agent.asolve(EGGS, max_compute_budget=budget)


# Steps


def sentences(request: Request, index: int) -> Reply:
    whole = "There are 3.5 boxes. Each has 6! So what? It is \\boxed{21}."
    return Reply(text=whole.removeprefix(partial_of(request)))


async def test_sentences_are_steps_and_their_text_is_the_model_s_own() -> None:
    backend = ScriptedBackend(sentences)
    solution = await solved(backend, steps="sentence")
    assert solution.text == "There are 3.5 boxes. Each has 6! So what? It is \\boxed{21}."
    assert sorted({partial_of(r) for r in backend.requests}) == [
        "",
        "There are 3.5 boxes.",
        "There are 3.5 boxes. Each has 6!",
        "There are 3.5 boxes. Each has 6! So what?",
    ]


async def test_a_step_of_so_many_tokens_ends_by_its_length_and_is_gone_on_with() -> None:
    def words(request: Request, index: int) -> Reply:
        whole = "one two three four five six seven eight nine \\boxed{21}"
        return Reply(text=whole.removeprefix(partial_of(request)))

    backend = ScriptedBackend(words)
    solution = await solved(backend, steps=Steps(tokens=4))
    assert solution.text == "one two three four five six seven eight nine \\boxed{21}"
    assert [(r.max_tokens, r.stop) for r in backend.requests[:3]] == [(4, ())] * 3
    assert partial_of(backend.requests[1]) == "one two three four"
    assert partial_of(backend.requests[2]) == "one two three four five six seven eight"


async def test_a_path_that_has_used_up_its_tokens_is_no_solution() -> None:
    endless = ScriptedBackend(lambda request, index: Reply(text="word " * 90, tokens=90))
    solution = await solved(endless, steps=Steps(tokens=30), max_tokens=40)
    assert solution.status == "abstained"
    assert solution.candidates == ()


async def test_steps_end_at_the_caller_s_own_strings() -> None:
    def listed(request: Request, index: int) -> Reply:
        whole = "Given: 3 boxes;; Wanted: eggs;; \\boxed{18}"
        return Reply(text=whole.removeprefix(partial_of(request)))

    backend = ScriptedBackend(listed)
    solution = await solved(backend, steps=Steps(stop=(";;",)))
    assert solution.text == "Given: 3 boxes;; Wanted: eggs;; \\boxed{18}"
    assert {r.stop for r in backend.requests} == {(";;",)}
    assert partial_of(backend.requests[1]) == "Given: 3 boxes;;"


# Scores


@each_greedy
async def test_a_search_follows_the_scorer_and_not_the_likelihood(strategy: str) -> None:
    backend = ScriptedBackend(judging(two_steps, worth))
    solution = await solved(backend, strategy=strategy, step_score=Judge())
    assert continued(backend)[0] == BEST
    assert str(BEST) in {c.answer for c in solution.candidates}
    likely = ScriptedBackend(two_steps)
    await solved(likely, strategy=strategy)
    assert continued(likely)[0] == 0


@each_greedy
async def test_a_search_follows_a_function_of_the_problem_and_the_partial(strategy: str) -> None:
    asked: list[str] = []

    def worth_of(problem: str, partial: str) -> float:
        asked.append(problem)
        return float(worth(partial))

    backend = ScriptedBackend(two_steps)
    await solved(backend, strategy=strategy, step_score=worth_of)
    assert continued(backend)[0] == BEST
    assert set(asked) == {EGGS}


@each_greedy
async def test_a_search_follows_the_self_certainty_of_steps(strategy: str) -> None:
    def certain(request: Request, index: int) -> Reply:
        sure = index == BEST or request.continue_partial
        reply = two_steps(request, index)
        other = -19.0 if sure else -0.2
        return Reply(text=reply.text, top_logprobs={"Step": -0.1, "So": other})

    backend = ScriptedBackend(certain)
    await solved(backend, strategy=strategy, step_score="self_certainty")
    assert continued(backend)[0] == BEST
    assert {r.top_logprobs for r in backend.requests} == {20}


async def test_a_scorer_is_put_the_question_as_it_was_put_and_the_partial_solution() -> None:
    backend = ScriptedBackend(judging(two_steps, worth))
    await solved(backend, step_score=Judge())
    first, put = backend.requests[0], [r for r in backend.requests if judged(r)]
    assert put[0].messages[:-2] == first.messages
    assert put[0].messages[-2] == {"role": "assistant", "content": "Step 0.\n\n"}
    assert put[-1].messages[-2]["content"].startswith("Step")
    assert "boxed" in put[-1].messages[-2]["content"]


async def test_equal_partial_solutions_are_scored_once() -> None:
    def same(request: Request, index: int) -> Reply:
        return Reply(text="So it is \\boxed{18}.", tokens=12)

    backend = ScriptedBackend(judging(same, lambda text: "0.9"))
    await solved(backend, step_score=Judge())
    assert sum(map(judged, backend.requests)) == 1


async def test_a_candidate_carries_what_the_scorer_said_of_it() -> None:
    backend = ScriptedBackend(judging(two_steps, worth))
    solution = await solved(backend, step_score=Judge())
    found = {c.answer: c.signals for c in solution.candidates}
    assert found[str(BEST)] == {"judge": 0.999}


# Steps that nobody could score


async def test_an_unscored_step_ranks_last_and_is_noted_once() -> None:
    def silent(text: str) -> str:
        return "?" if number_in(text) in (0, 1, 2) else "0.05"

    backend = ScriptedBackend(judging(two_steps, silent))
    solution = await solved(backend, step_score=Judge())
    assert set(continued(backend)) == {3, 4}
    assert solution.receipt.notes == (
        "the step score 'judge' had nothing to say of some steps: they stay unscored",
    )


@each_algorithm
def test_a_scorer_that_breaks_leaves_the_search_its_steps(strategy: str) -> None:
    def refuse(text: str) -> Line:
        return BackendRefused("no such page", status=404)

    backend = ScriptedBackend(judging(two_steps, refuse))
    solution = in_virtual_time(solved(backend, strategy=strategy, step_score=Judge()))
    assert solution.answer is not None
    assert solution.receipt.stopped_because == "complete"
    noted = [note for note in solution.receipt.notes if "judge" in note]
    assert noted == ["the step score 'judge' failed on some steps: they stay unscored"]
    assert all(c.signals == {} for c in solution.candidates)


@pytest.mark.parametrize(
    ("number", "said"),
    [("3.2", "gave numbers that are no probability"), ("oops", "failed")],
)
async def test_what_a_function_cannot_say_is_no_number(number: str, said: str) -> None:
    def score(problem: str, partial: str) -> float:
        return float(number)

    solution = await solved(ScriptedBackend(two_steps), step_score=score)
    assert solution.answer is not None
    assert len(solution.receipt.notes) == 1
    assert f"'score' {said}" in solution.receipt.notes[0]


async def test_a_function_may_say_that_its_numbers_are_no_probabilities() -> None:
    def score(problem: str, partial: str) -> float:
        return 30.0 if number_in(partial) == BEST else -30.0

    by_odds = ByFunction(function=score, scale="log_odds")
    backend = ScriptedBackend(two_steps)
    solution = await solved(backend, strategy="a_star", step_score=by_odds)
    assert continued(backend)[0] == BEST
    assert solution.receipt.notes == ()


async def test_a_slow_function_does_not_outlast_the_deadline() -> None:
    def slow(problem: str, partial: str) -> float:
        time.sleep(0.1)
        return 0.5

    began = time.monotonic()
    async with Agent(ScriptedBackend(two_steps), strategy="beam", step_score=slow) as agent:
        with pytest.raises(SolveFailed, match="the time was up"):
            await agent.asolve(EGGS, max_compute_budget=Budget(seconds=0.2))
    assert time.monotonic() - began < 0.5


# What the backend must be able to do


def lacking(*capabilities: Capability) -> ScriptedBackend:
    left = ALL_CAPABILITIES - set(capabilities)
    return ScriptedBackend(judging(two_steps, worth), capabilities=left)


async def test_a_search_asks_of_the_backend_what_its_score_needs() -> None:
    without = lacking("logprobs", "top_logprobs")
    by_judge = await solved(without, step_score=Judge())
    assert continued(without)[0] == BEST
    assert all(c.mean_logprob is None for c in by_judge.candidates)
    for backend, score in (
        (lacking("logprobs"), "logprob"),
        (lacking("top_logprobs"), "self_certainty"),
    ):
        unable = await solved(backend, step_score=score)
        assert unable.receipt.stopped_because == "no_gain"
        assert backend.requests == []


# What it costs


lines = st.sampled_from(["Step 3.\n\n", "One. Two. Three.", "So it is \\boxed{18}.", "word " * 50])


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(lines, min_size=1, max_size=8),
    numbers=st.lists(st.sampled_from(["0.1", "0.9", "?", "7"]), min_size=1, max_size=5),
    budget=st.integers(60, 5_000),
    strategy=st.sampled_from(sorted(ALGORITHMS)),
    steps=st.sampled_from(["paragraph", "sentence", Steps(tokens=20)]),
    cost=st.sampled_from([1.0, 0.3, 2.5]),
)
def test_no_scored_search_exceeds_its_budget_and_all_of_it_is_on_the_receipt(
    script: list[str],
    numbers: list[str],
    budget: int,
    strategy: str,
    steps: str | Steps,
    cost: float,
) -> None:
    backend = ScriptedBackend(
        judging(
            lambda request, index: Reply(text=script[index % len(script)]),
            lambda text: numbers[len(text) % len(numbers)],
        ),
        relative_cost=cost,
    )
    events: list[Event] = []
    options: dict[str, Any] = {"steps": steps, "step_score": Judge(), "events": events}
    try:
        solution = in_virtual_time(solved(backend, budget, strategy=strategy, **options))
    except BudgetTooSmall:
        assert backend.requests == []
        return
    assert all(e.spent.compute + e.held.compute <= budget for e in events)
    receipt = solution.receipt
    assert receipt.spent.completion_tokens == backend.generated_tokens
    assert receipt.engine_prompt_tokens == backend.prompt_tokens
    assert sum(s.spent.compute for s in receipt.steps) == receipt.spent.compute


def endless(request: Request, index: int) -> Reply:
    if request.stop:
        return Reply(text=f"Step {index}.\n\n", tokens=30, logprob=-0.1)
    return Reply(text="So it is \\boxed{18}.", tokens=100)


@each_greedy
@pytest.mark.parametrize("budget", [900, 1_300, 2_000])
async def test_scoring_leaves_enough_to_take_the_best_path_to_its_end(
    strategy: str, budget: int
) -> None:
    backend = ScriptedBackend(judging(endless, worth))
    solution = await solved(backend, budget, strategy=strategy, step_score=Judge(), max_tokens=300)
    assert solution.answer == "18"
    assert any(map(judged, backend.requests))
    ends = [r for r in backend.requests if r.continue_partial and not r.stop]
    assert number_in(partial_of(ends[0])) == BEST
    assert not judged(backend.requests[-1])
    assert solution.receipt.spent.compute <= budget


async def test_a_scored_search_on_the_way_keeps_to_its_part_of_what_is_left() -> None:
    def script(request: Request, index: int) -> Reply:
        if request.stop:
            return Reply(text=f"Step {index}.\n\n", tokens=60)
        return Reply(text=f"So it is \\boxed{{{index}}}.", tokens=30)

    backend = ScriptedBackend(judging(script, worth))
    solution = await solved(backend, strategy="adaptive", estimate=(), step_score=Judge())
    before = 0
    for step in solution.receipt.steps:
        if step.path == "search":
            assert 0 < step.spent.compute <= (BUDGET - before) / 2
        before += step.spent.compute
    assert "search" in [step.path for step in solution.receipt.steps]
    assert any(map(judged, backend.requests))


# Checkpoints


async def test_what_is_about_to_be_scored_is_in_the_intent() -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(judging(two_steps, worth))
    async with Agent(backend, strategy="beam", step_score=Judge(), checkpointer=saver) as agent:
        await agent.asolve(EGGS, max_compute_budget=BUDGET, thread_id=THREAD)
    graph = solve_graph().compile(checkpointer=saver)
    history = [s async for s in graph.aget_state_history(thread(THREAD))]
    first = next(s.values["intent"] for s in reversed(history) if s.next == ("search",))
    prompt = await backend.count_prompt(backend.requests[0])
    steps = 6 * 128
    scores = Judge().worst(prompt + 128)
    # The prompt once more: a request may be tried again.
    assert first["compute"] == 2 * prompt + steps + 6 * scores.compute
    assert first["requests"] == 1 + 6


async def test_an_intent_is_no_more_than_what_is_left() -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(judging(two_steps, worth))
    async with Agent(backend, strategy="beam", step_score=Judge(), checkpointer=saver) as agent:
        await agent.asolve(EGGS, max_compute_budget=700, thread_id=THREAD)
    graph = solve_graph().compile(checkpointer=saver)
    history = [s async for s in graph.aget_state_history(thread(THREAD))]
    first = next(s.values["intent"] for s in reversed(history) if s.next == ("search",))
    assert first["compute"] == 700


@pytest.mark.parametrize("strategy", ["beam", "a_star", "particle_filter"])
@pytest.mark.parametrize("events", [2, 4, 6, 9, 12, 15, 20, 30])
async def test_a_scored_search_that_was_left_keeps_its_tree_and_its_bill(
    strategy: str, events: int
) -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(judging(two_steps, worth), delay=0.0005)
    left = events
    async with Agent(backend, strategy=strategy, step_score=Judge(), checkpointer=saver) as agent:
        stream = agent.astream(EGGS, max_compute_budget=BUDGET, thread_id=THREAD)
        async for _ in stream:
            left -= 1
            if left == 0:
                break
        await stream.aclose()
    before = await find(solve_graph().compile(checkpointer=saver), THREAD)
    asked = len(backend.requests)
    async with Agent(backend, strategy=strategy, step_score=Judge(), checkpointer=saver) as agent:
        solution = await agent.aresume(THREAD)
    receipt = solution.receipt
    assert solution.answer is not None
    assert receipt.spent.compute <= BUDGET
    assert sum(receipt.by_purpose.values(), Usage()).compute == receipt.spent.compute
    assert receipt.spent.completion_tokens >= backend.generated_tokens
    lost = receipt.by_purpose.get(IN_FLIGHT, Usage())
    settled = receipt.spent.completion_tokens - lost.completion_tokens
    assert settled <= backend.generated_tokens + receipt.unseen_tokens
    if before.values.get("search"):
        again = {partial_of(r) for r in backend.requests[asked:] if not judged(r)}
        assert "" not in again
