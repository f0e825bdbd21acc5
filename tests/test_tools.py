"""Solving with tools: what is voted on, what is run and how often, and who pays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.tools import tool

from its_agent import Agent, Problem, Solution
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import BackendLost, InvalidOption, InvalidProblem
from its_agent.events import Event, Solved, Started, ToolRan
from its_agent.tool_calls import ToolCall
from its_agent.tools import read_only, tools_of
from its_agent.verifiers import AnswerCheck

QUESTION = "How much is 6 times 7, by the calculator?"


GARBLED = ToolCall(id="1", name="multiply", arguments="{")


class Calculator:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def tool(self, *, reads: bool = False) -> Callable[..., int]:
        def multiply(a: int, b: int) -> int:
            """Multiply two numbers."""
            self.asked.append((a, b))
            return a * b

        return read_only(multiply) if reads else multiply


def calling(name: str, **arguments: Any) -> Reply:
    asked = ToolCall(id="call-1", name=name, arguments=json.dumps(arguments))
    return Reply(text="", calls=(asked,), tokens=20)


def answered(request: Request) -> str | None:
    """What the last tool said, if one has been asked."""
    last = request.messages[-1]
    return str(last["content"]) if last["role"] == "tool" else None


def by_the_tool(request: Request, index: int) -> Reply:
    """Asks for 6 · 7, every fourth sample for 6 · 8, and repeats what the tool says."""
    said = answered(request)
    if said is None:
        return calling("multiply", a=6, b=8 if index == 3 else 7)
    return Reply(text=rf"It is \boxed{{{said}}}.", tokens=20)


async def solved(
    script: Callable[[Request, int], Reply],
    *tools: Any,
    budget: int = 4_000,
    strategy: str = "hedged_attempts",
    events: list[Event] | None = None,
) -> tuple[Solution, ScriptedBackend]:
    backend = ScriptedBackend(script)
    sink = None if events is None else events.append
    async with Agent(
        backend, tools=tools, strategy=strategy, max_tokens=60, on_event=sink
    ) as agent:
        return await agent.asolve(QUESTION, max_compute_budget=budget), backend


async def test_a_call_is_voted_on_and_made_once() -> None:
    calculator = Calculator()
    solution, backend = await solved(by_the_tool, calculator.tool())
    assert calculator.asked == [(6, 7)]
    assert (solution.answer, solution.status) == ("42", "agreed")
    assert len(backend.requests) > 2, "several samples voted"


async def test_the_receipt_is_that_of_all_turns() -> None:
    solution, backend = await solved(by_the_tool, Calculator().tool())
    receipt = solution.receipt
    assert receipt.spent.completion_tokens == backend.generated_tokens
    assert receipt.budget.compute == 4_000
    assert receipt.spent.compute <= 4_000
    assert sum(one.compute for one in receipt.by_purpose.values()) == receipt.spent.compute
    assert len({one.id for one in solution.candidates}) == len(solution.candidates)
    assert [one.answer for one in solution.candidates].count("42") >= 2
    assert solution.candidates[0].answer == '[{"arguments":{"a":6,"b":7},"name":"multiply"}]'


@pytest.mark.parametrize("budget", [130, 150, 200, 300, 400, 800])
@pytest.mark.parametrize(
    "strategy", ["adaptive", "hedged_attempts", "single_pass", "self_consistency"]
)
async def test_no_budget_is_exceeded(budget: int, strategy: str) -> None:
    solution, backend = await solved(
        by_the_tool, Calculator().tool(), budget=budget, strategy=strategy
    )
    assert solution.receipt.spent.compute <= budget
    assert solution.receipt.spent.completion_tokens == backend.generated_tokens
    if solution.answer is None:
        assert solution.status == "abstained"
        assert solution.receipt.stopped_because in ("budget", "complete")


async def test_what_a_read_only_tool_said_is_used_again() -> None:
    def twice(request: Request, index: int) -> Reply:
        turns = sum(message["role"] == "tool" for message in request.messages)
        return calling("multiply", a=6, b=7) if turns < 2 else Reply(text=r"\boxed{42}", tokens=9)

    for reads, times in ((True, 1), (False, 2)):
        calculator = Calculator()
        solution, _ = await solved(twice, calculator.tool(reads=reads), strategy="single_pass")
        assert (solution.answer, len(calculator.asked)) == ("42", times)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (calling("multiply", a=6), "error:"),
        (calling("divide", a=6, b=7), "error: there is no tool 'divide'"),
        (
            Reply(text="", calls=(ToolCall(id="1", name="multiply", arguments="{"),), tokens=9),
            "no JSON",
        ),
    ],
)
async def test_a_call_that_cannot_be_made_is_told_to_the_model(reply: Reply, said: str) -> None:
    def script(request: Request, index: int) -> Reply:
        told = answered(request)
        return reply if told is None else Reply(text=told, tokens=20)

    events: list[Event] = []
    solution, _ = await solved(script, Calculator().tool(), strategy="single_pass", events=events)
    assert said in solution.text
    assert [event.failed for event in events if isinstance(event, ToolRan)] == [True]


async def test_a_tool_that_breaks_is_data() -> None:
    def broken(a: int, b: int) -> int:
        """Multiply two numbers."""
        raise RuntimeError("the calculator is out of paper")

    def script(request: Request, index: int) -> Reply:
        told = answered(request)
        return calling("broken", a=1, b=2) if told is None else Reply(text=told, tokens=20)

    solution, _ = await solved(script, broken, strategy="single_pass")
    assert "RuntimeError: the calculator is out of paper" in solution.text


async def test_the_events_of_all_turns_are_one_runs() -> None:
    events: list[Event] = []
    solution, _ = await solved(by_the_tool, Calculator().tool(), events=events)
    assert [event.solution for event in events if isinstance(event, Solved)] == [solution]
    assert {event.run_id for event in events} == {solution.receipt.run_id} != {""}
    assert [type(event) for event in events].count(Started) == 1


async def test_a_model_that_calls_for_ever_is_stopped() -> None:
    solution, _ = await solved(
        lambda request, index: calling("multiply", a=6, b=7),
        Calculator().tool(),
        budget=100_000,
        strategy="single_pass",
    )
    assert (solution.answer, solution.status) == (None, "abstained")
    assert "16 rounds of calls and no answer" in solution.receipt.notes


async def test_a_backend_that_dies_between_turns_leaves_what_was_paid() -> None:
    def script(request: Request, index: int) -> Any:
        return BackendLost("gone") if answered(request) else calling("multiply", a=6, b=7)

    solution, backend = await solved(script, Calculator().tool(), strategy="single_pass")
    assert solution.receipt.stopped_because == "backend_lost"
    assert solution.receipt.spent.completion_tokens >= backend.generated_tokens > 0


async def test_cancelling_while_a_tool_runs_passes_through() -> None:
    began = asyncio.Event()

    @tool
    async def slow(a: int) -> int:
        """Take long."""
        began.set()
        await asyncio.sleep(60)
        return a

    running = asyncio.create_task(solved(lambda request, index: calling("slow", a=1), slow))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_what_is_no_tool_is_refused() -> None:
    multiply = Calculator().tool()
    with pytest.raises(InvalidOption, match="two tools named 'multiply'"):
        tools_of([multiply, multiply])
    with pytest.raises(InvalidOption, match="got str"):
        Agent(ScriptedBackend([]), tools=["multiply"])  # type: ignore[list-item]
    with pytest.raises(InvalidOption, match="no say over tool calls"):
        Agent(ScriptedBackend([]), tools=[multiply], strategy="refine")
    with pytest.raises(InvalidOption, match="no say over tool calls"):
        Agent(ScriptedBackend([]), tools=[multiply], verifiers=[AnswerCheck(bool)])
    with pytest.raises(InvalidOption, match="ChatITS"):
        Agent(ScriptedBackend([]), tools=[multiply]).graph()


def test_what_is_read_only_says_so() -> None:
    @tool
    def look(name: str) -> str:
        """Look something up."""
        return name

    assert tools_of([look])["look"].acts
    look.metadata = {"readOnlyHint": True}
    assert not tools_of([look])["look"].acts


async def test_exemplars_are_shown_first_and_checks_are_refused() -> None:
    backend = ScriptedBackend(by_the_tool)
    multiply = Calculator().tool()
    async with Agent(
        backend, tools=[multiply], exemplars=[("2 · 3?", "6")], max_tokens=60
    ) as agent:
        await agent.asolve(QUESTION, max_compute_budget=2_000)
        assert [one["content"] for one in backend.requests[0].messages][:2] == ["2 · 3?", "6"]
        question = [{"role": "user", "content": QUESTION}]
        with pytest.raises(InvalidProblem, match="a schema cannot be kept to"):
            await agent.asolve(Problem(question, schema={"type": "object"}))
        with pytest.raises(InvalidProblem, match="tests cannot be kept to"):
            await agent.asolve(Problem(question, tests=["assert True"]))


async def test_calls_that_are_cut_off_are_not_made() -> None:
    calculator = Calculator()
    long = calling("multiply", a=6, b=list(range(60)))
    solution, backend = await solved(
        lambda request, index: long, calculator.tool(), strategy="single_pass"
    )
    assert not calculator.asked
    assert len(backend.requests) == 1
    assert (solution.answer, solution.status) == (None, "abstained")
    assert any("cut off by max_tokens" in note for note in solution.receipt.notes)
