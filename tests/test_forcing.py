"""Thinking that is made longer, closed in time, or ended once its answer stays the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import in_virtual_time

from its_agent import Agent, Budget, Solution
from its_agent.backends.faulty import Fault, FaultyBackend
from its_agent.backends.protocol import ALL_CAPABILITIES, Backend, Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.solution import Finish
from its_agent.thinking.budget_forcing import BudgetForcing
from its_agent.thinking.early_exit import EarlyExit
from its_agent.thinking.trace import Forcing, Piece, Trace, statement

EGGS = "How many eggs are there in 3 boxes of 6?"
FORCED = BudgetForcing(max_tokens=100, thinking_tokens=80, waits=2)
EXIT = EarlyExit(max_tokens=640)


def told(forcing: Forcing, *pieces: tuple[str, int, Finish]) -> Trace:
    """The trace after these pieces."""
    trace = Trace()
    for text, tokens, finish in pieces:
        trace = forcing.tell(trace, Piece(text=text, tokens=tokens, finish=finish))
    return trace


def begun(request: Request) -> str:
    """What the assistant has said so far."""
    return str(request.messages[-1]["content"]) if request.continue_partial else ""


async def solved(
    backend: Backend, strategy: str, budget: int | Budget = 8_000, max_tokens: int = 400
) -> Solution:
    async with Agent(backend, strategy=strategy, max_tokens=max_tokens) as agent:
        return await agent.asolve(EGGS, max_compute_budget=budget)


# The algorithms, without any backend


def test_a_thinking_that_ends_too_early_goes_on_until_its_waits_are_used_up() -> None:
    first = told(FORCED, ("<think>\nSix.\n</think>", 10, "stop"))
    assert first.text == "<think>\nSix.\nWait"
    assert FORCED.ask(first).stop == ("</think>",)
    assert FORCED.ask(first).max_tokens == 70
    second = FORCED.tell(first, Piece(text=", no.</think>", tokens=10, finish="stop"))
    assert second.text == "<think>\nSix.\nWait, no.\nWait"
    third = FORCED.tell(second, Piece(text=", yes.</think>", tokens=10, finish="stop"))
    assert third.stage == "answering"
    assert third.text.endswith("Wait, yes.\n</think>\n\n")
    assert (FORCED.ask(third).max_tokens, FORCED.ask(third).stop) == (70, ())
    done = FORCED.tell(third, Piece(text="18.", tokens=3, finish="stop"))
    assert (done.stage, done.finish, done.waits) == ("done", "stop", 2)


def test_a_thinking_that_does_not_end_is_closed_and_the_answer_begun() -> None:
    trace = told(FORCED, ("<think>\nOn and on", 80, "length"))
    assert trace.text == "<think>\nOn and on\n</think>\n\nFinal Answer:"
    assert FORCED.ask(trace).max_tokens == 20


def test_an_opening_tag_that_stood_in_the_prompt_is_put_back() -> None:
    assert told(FORCED, ("Six.</think>", 10, "stop")).text == "<think>\nSix.\nWait"


def test_without_tags_an_end_is_taken_back_once_and_stands_if_there_is_no_other() -> None:
    first = told(FORCED, ("It is 18.", 10, "stop"))
    assert (first.text, first.fallback) == ("It is 18.\n\nWait", "It is 18.")
    assert told(FORCED, ("It is 18.", 10, "stop"), (", yes: 18.", 5, "stop")).stage == "done"
    cut = FORCED.tell(first, Piece(text=", per", tokens=2, finish="aborted"))
    assert (cut.text, cut.finish) == ("It is 18.", "stop")
    assert FORCED.hasten(first).text == "It is 18."
    forced = FORCED.tell(first, Piece(text=", perhaps", tokens=70, finish="length"))
    assert forced.text.endswith("Wait, perhaps\n\nTherefore, the final answer is \\boxed{")
    assert FORCED.tell(forced, Piece(text="17}, or", tokens=20, finish="length")).text.endswith(
        "the final answer is \\boxed{17}"
    )


def test_a_text_that_ends_without_an_answer_after_its_wait_is_asked_for_one() -> None:
    trace = told(FORCED, ("Let us see.", 10, "stop"), (" …", 10, "stop"))
    assert trace.text == "Let us see.\n\nWait …\n\nTherefore, the final answer is \\boxed{"
    assert trace.stage == "answering"


def test_no_wait_is_put_where_there_is_no_room_to_think_on() -> None:
    assert told(FORCED, ("It is 18.", 70, "stop")).stage == "done"
    assert told(FORCED, ("<think>6</think>", 70, "stop")).stage == "answering"


def test_thinking_is_probed_and_ends_once_three_probes_agree() -> None:
    trace = Trace()
    for answer in ("17", "18", "18.0"):
        assert EXIT.ask(trace).max_tokens == 64
        trace = EXIT.tell(trace, Piece(text="more ", tokens=64, finish="length"))
        probe = EXIT.ask(trace)
        assert probe.is_probe
        assert probe.text.endswith("more\n\n**Final Answer**\n\\boxed{")
        trace = EXIT.tell(trace, Piece(text=answer + "}", tokens=4, finish="stop"))
    assert (trace.stage, trace.text) == ("thinking", "more more more ")
    trace = EXIT.tell(trace, Piece(text="more ", tokens=64, finish="length"))
    trace = EXIT.tell(trace, Piece(text="18} and", tokens=4, finish="length"))
    assert (trace.stage, trace.finish, trace.tokens) == ("done", "stop", 256)
    assert trace.text == "more more more more\n\n**Final Answer**\n\\boxed{18}"


@pytest.mark.parametrize("breaks", ["no idea", "18}. Wait, that is", "17}", ""])
def test_a_probe_that_hedges_or_says_nothing_or_something_else_breaks_the_row(breaks: str) -> None:
    trace = Trace()
    for said in ("18}", "18}", breaks, "18}", "18}"):
        trace = EXIT.tell(trace, Piece(text="more ", tokens=64, finish="length"))
        trace = EXIT.tell(trace, Piece(text=said, tokens=4, finish="stop"))
    assert trace.stage == "thinking"
    trace = EXIT.tell(trace, Piece(text="more ", tokens=64, finish="length"))
    assert EXIT.tell(trace, Piece(text="18}", tokens=4, finish="stop")).stage == "done"


def test_open_thinking_is_closed_before_its_answer_is_asked_for() -> None:
    trace = told(EXIT, ("<think>\nmore", 64, "length"))
    assert EXIT.ask(trace).text == "<think>\nmore\n</think>\n\n**Final Answer**\n\\boxed{"


def test_a_trace_that_is_cut_off_ends_as_its_last_probe() -> None:
    pieces: tuple[tuple[str, int, Finish], ...] = (
        ("more", 64, "length"),
        ("18}", 4, "stop"),
        (" and", 9, "aborted"),
    )
    trace = told(EXIT, *pieces)
    assert (trace.stage, trace.finish) == ("done", "stop")
    assert trace.text == "more\n\n**Final Answer**\n\\boxed{18}"
    unprobed = told(EXIT, ("more", 9, "aborted"))
    assert (unprobed.finish, unprobed.text) == ("aborted", "more")


@pytest.mark.parametrize(
    ("cue", "said", "stated"),
    [
        ("\\boxed{", "18}. So", "18}"),
        ("\\boxed{", "\\frac{1}{2}} or", "\\frac{1}{2}}"),
        ("\\boxed{", "\\{1, 2\\}}", "\\{1, 2\\}}"),
        ("\\boxed{", "18", None),
        ("Answer:", " B\nas", "B"),
        ("Answer:", "  ", None),
    ],
)
def test_what_follows_a_cue_is_read_to_its_end(cue: str, said: str, stated: str | None) -> None:
    assert statement(cue, said) == stated


pieces = st.builds(
    Piece,
    text=st.sampled_from(["a ", "<think>\n", "</think>", "18}", "It is \\boxed{18}.", ""]),
    tokens=st.integers(1, 70),
    finish=st.sampled_from(["stop", "stop", "length", "aborted"]),
)


@given(st.lists(pieces, min_size=60, max_size=60), st.sampled_from([FORCED, EXIT]))
def test_every_trace_ends_and_can_be_put_down_at_any_time(
    said: list[Piece], forcing: Forcing
) -> None:
    trace = Trace()
    for piece in said:
        assert Trace.from_plain(trace.to_plain()) == trace
        asked = forcing.ask(trace)
        assert asked.max_tokens >= 1
        tokens = min(piece.tokens, asked.max_tokens)
        # Only a piece that has used up what it may have is cut off.
        whole = Piece(
            text=piece.text,
            tokens=asked.max_tokens if piece.finish == "length" else tokens,
            finish=piece.finish,
        )
        trace = forcing.tell(trace, whole)
        if trace.stage == "done":
            break
    assert trace.stage == "done"
    assert trace.tokens <= 640


# Solves


async def test_budget_forcing_has_a_reasoning_model_think_again() -> None:
    def script(request: Request, index: int) -> Reply:
        said = begun(request)
        if "</think>" in said:
            return Reply(text="It is \\boxed{18}.", tokens=12)
        if said.endswith("Wait"):
            return Reply(text=", three times six.</think>", tokens=20)
        return Reply(text="<think>\nThree plus six: \\boxed{9}.</think>", tokens=30)

    backend = ScriptedBackend(script)
    solution = await solved(backend, "budget_forcing")
    assert solution.answer == "18"
    assert [r.continue_partial for r in backend.requests] == [False, True, True, True]
    (candidate,) = solution.candidates
    assert candidate.thinking.count("Wait, three times six.") == 2
    assert (candidate.path, candidate.strategy) == ("thinking", "budget_forcing@0")
    assert candidate.usage.completion_tokens == solution.receipt.spent.completion_tokens == 82
    assert candidate.usage.compute == solution.receipt.spent.compute
    assert solution.receipt.stopped_because == "complete"
    assert solution.receipt.steps[0].path == "thinking"


async def test_thinking_that_never_ends_is_forced_to_answer() -> None:
    def script(request: Request, index: int) -> Reply:
        if begun(request).endswith("\\boxed{"):
            return Reply(text="18} because", tokens=100)
        return Reply(text="and on " * 200, tokens=1_000)

    backend = ScriptedBackend(script)
    solution = await solved(backend, "budget_forcing")
    assert solution.answer == "18"
    assert [r.max_tokens for r in backend.requests] == [300, 100]
    assert solution.candidates[0].finish == "stop"


def growing(answer: Callable[[int], str]) -> Callable[[Request, int], Reply]:
    """A thinker without end whose probes are answered by how much was thought."""

    def script(request: Request, index: int) -> Reply:
        said = begun(request)
        if said.endswith("\\boxed{"):
            return Reply(text=answer(said.count("on ")) + "}", tokens=5)
        return Reply(text="on " * 100, tokens=100)

    return script


async def test_a_thinking_whose_answer_stays_the_same_ends_early() -> None:
    sure = ScriptedBackend(growing(lambda thought: "18"))
    unsure = ScriptedBackend(growing(str))
    early = await solved(sure, "early_exit")
    late = await solved(unsure, "early_exit")
    assert (early.answer, early.receipt.stopped_because) == ("18", "complete")
    assert sure.generated_tokens == 3 * (64 + 5)
    assert unsure.generated_tokens == 400 + 7 * 5
    assert late.answer == str(late.text.count("on "))
    assert [r.temperature for r in sure.requests] == [0.0] * 6


@pytest.mark.parametrize("strategy", ["budget_forcing", "early_exit"])
@pytest.mark.parametrize("budget", [80, 150, 300, 600, 900, 1_500, 3_000])
async def test_an_answer_is_brought_home_within_any_budget_that_pays_for_one(
    strategy: str, budget: int
) -> None:
    backend = ScriptedBackend(growing(str))
    solution = await solved(backend, strategy, budget)
    assert solution.receipt.spent.compute <= budget
    assert solution.receipt.spent.completion_tokens == backend.generated_tokens
    if budget >= 300 and strategy == "early_exit":
        assert solution.answer is not None
    if budget >= 1_500:
        assert solution.answer is not None


async def test_few_requests_are_enough_for_an_answer() -> None:
    backend = ScriptedBackend(growing(str))
    solution = await solved(backend, "early_exit", Budget(compute=8_000, requests=3))
    assert solution.answer == str(solution.text.count("on "))
    assert solution.receipt.spent.requests <= 3


def test_the_time_being_up_leaves_the_last_probe() -> None:
    backend = ScriptedBackend(growing(str), delay=1.0)
    budget = Budget(compute=1_000_000, seconds=50)
    solution = in_virtual_time(solved(backend, "early_exit", budget, max_tokens=3_000))
    assert solution.receipt.stopped_because == "deadline"
    assert solution.answer is not None


async def test_a_server_that_refuses_to_continue_leaves_the_answer_that_was_there() -> None:
    inner = ScriptedBackend(lambda request, index: Reply(text="It is \\boxed{18}.", tokens=20))
    refusing = FaultyBackend(
        inner,
        lambda place, request: (
            Fault(kind="cannot", capability="continue_partial", status=400)
            if request.continue_partial
            else None
        ),
    )
    solution = await solved(refusing, "budget_forcing")
    assert solution.answer == "18"
    assert solution.receipt.stopped_because == "complete"


@pytest.mark.parametrize("strategy", ["budget_forcing", "early_exit"])
async def test_a_backend_that_cannot_continue_is_asked_for_nothing(strategy: str) -> None:
    backend = ScriptedBackend([], capabilities=ALL_CAPABILITIES - {"continue_partial"})
    solution = await solved(backend, strategy)
    assert (solution.status, solution.receipt.stopped_because) == ("abstained", "no_gain")
    assert backend.requests == []
