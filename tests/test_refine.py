"""A refinement hears what is wrong from outside, keeps the better solution, and ends early."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent import Agent, Problem, Solution
from its_agent.agent import ProblemLike
from its_agent.backends.scripted import Reply, Script, ScriptedBackend
from its_agent.graphs.critique import names_an_error
from its_agent.graphs.feedback import Feedback, Standing
from its_agent.graphs.refinement import ROUNDS, Refinement
from its_agent.verifiers import AnswerCheck, Examiner, Result, Verifier

EGGS = "How many eggs are there in 3 boxes of 6?"
DOUBLE = Problem(
    [{"role": "user", "content": "Write double(x)."}],
    tests=["assert double(0) == 0", "assert double(2) == 4", "assert double(3) == 6"],
)


def boxed(answer: object) -> Reply:
    return Reply(text=f"So it is \\boxed{{{answer}}}.", tokens=20)


def program(body: str) -> Reply:
    return Reply(text=f"```python\ndef double(x):\n    return {body}\n```", tokens=20)


async def refined(
    script: Script,
    problem: ProblemLike = EGGS,
    *,
    verifiers: Iterable[Verifier | Examiner] = (),
    budget: int = 4_000,
) -> tuple[Solution, ScriptedBackend]:
    backend = ScriptedBackend(script)
    async with Agent(backend, strategy="refine", verifiers=verifiers, max_tokens=64) as agent:
        return await agent.asolve(problem, max_compute_budget=budget), backend


def asked(backend: ScriptedBackend, place: int) -> str:
    """The last message of a request."""
    return str(backend.requests[place].messages[-1]["content"])


def purposes(solution: Solution) -> set[str]:
    return set(solution.receipt.by_purpose)


@dataclass
class Grader:
    """Fails what is not 18, and grades the others as it is told."""

    grades: dict[str, float]
    explained: list[str] = field(default_factory=list[str])
    name: str = "grader"

    async def examine(self, answer: str) -> Result:
        return "pass" if answer == "18" else "fail"

    async def explain(self, answer: str) -> str | None:
        self.explained.append(answer)
        return f"{answer} is not the product."

    async def grade(self, answer: str) -> float | None:
        return self.grades.get(answer)


# With a judge outside


async def test_what_a_check_says_is_the_critique_and_none_is_bought() -> None:
    check = AnswerCheck(lambda answer: answer == "18")
    solution, backend = await refined([boxed(17), boxed(18)], verifiers=[check])
    assert (solution.answer, solution.status) == ("18", "verified")
    assert solution.receipt.stopped_because == "confident"
    assert purposes(solution) == {"generate"}
    assert asked(backend, 1).startswith('The check "check" fails this answer.\n\nWrite a new,')
    assert [m["role"] for m in backend.requests[1].messages] == ["user", "assistant", "user"]


async def test_a_draft_that_passes_is_left_alone() -> None:
    solution, backend = await refined([boxed(18)], verifiers=[AnswerCheck(lambda a: a == "18")])
    assert (solution.status, len(backend.requests)) == ("verified", 1)


async def test_why_the_tests_fail_is_shown_to_the_model() -> None:
    solution, backend = await refined([program("x * x"), program("2 * x")], DOUBLE)
    assert solution.status == "verified"
    assert "2 of 3 tests pass" in asked(backend, 1)
    assert "assert double(3) == 6\ndouble(3) is 9" in asked(backend, 1)


async def test_a_program_that_passes_fewer_tests_is_no_new_base_and_is_shown_as_failed() -> None:
    script = [program("x * x"), program("x + 1"), program("x + x")]
    solution, backend = await refined(script, DOUBLE)
    assert solution.status == "verified"
    assert "return x * x" in backend.requests[2].messages[-2]["content"]
    assert "return x + 1" in asked(backend, 2)
    assert "double(0) is 1" in asked(backend, 2)


async def test_a_higher_grade_makes_a_new_base_and_the_old_one_has_failed() -> None:
    grader = Grader({"15": 0.2, "16": 0.1, "17": 0.5})
    solution, backend = await refined(
        [boxed(15), boxed(16), boxed(17), boxed(19)], verifiers=[grader]
    )
    bases = [str(r.messages[-2]["content"]) for r in backend.requests[1:]]
    assert ["15" in bases[0], "15" in bases[1], "17" in bases[2]] == [True, True, True]
    assert "16 is not the product." in asked(backend, 2)
    assert "15 is not the product." in asked(backend, 3)
    assert (solution.status, solution.receipt.stopped_because) == ("abstained", "complete")


async def test_only_the_first_improvement_of_a_base_is_greedy() -> None:
    grader = Grader({"15": 0.2, "16": 0.1, "17": 0.5})
    _, backend = await refined([boxed(15), boxed(16), boxed(17), boxed(19)], verifiers=[grader])
    assert [r.temperature > 0 for r in backend.requests] == [False, False, True, False]


async def test_rounds_are_few_however_large_the_budget() -> None:
    check = AnswerCheck(lambda answer: False)
    solution, backend = await refined(
        lambda request, index: boxed(len(request.messages)), verifiers=[check], budget=1_000_000
    )
    assert len(backend.requests) == 1 + ROUNDS
    assert solution.receipt.stopped_because == "complete"


async def test_the_budget_ends_a_refinement_with_what_there_is() -> None:
    check = AnswerCheck(lambda answer: None if answer == "17" else False)
    solution, _ = await refined(lambda r, i: boxed(17), verifiers=[check], budget=100)
    assert (solution.answer, solution.receipt.stopped_because) == ("17", "budget")
    assert solution.receipt.spent.compute <= 100


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        (Reply(text="First we count the boxes", tokens=64, finish="length"), "was cut off"),
        (Reply(text="It is as many as there are."), "no final answer"),
    ],
)
async def test_a_draft_without_an_answer_is_improved(draft: Reply, says: str) -> None:
    solution, backend = await refined([draft, boxed(18), "No errors."])
    assert solution.answer == "18"
    assert says in asked(backend, 1)
    assert backend.requests[1].messages[1]["content"] == draft.text


async def test_an_attempt_that_was_cut_off_does_not_replace_its_base() -> None:
    cut = Reply(text="Again, we count", tokens=64, finish="length")
    solution, backend = await refined([boxed(18), '"So it is" is too short.', cut])
    assert (solution.answer, len(backend.requests)) == ("18", 3)


# Without one


async def test_a_critique_that_finds_nothing_ends_it() -> None:
    solution, backend = await refined([boxed(18), "No errors."])
    assert (solution.answer, len(backend.requests)) == ("18", 2)
    assert solution.receipt.stopped_because == "complete"


async def test_a_critique_that_points_at_nothing_leaves_the_draft_as_it_is() -> None:
    solution, backend = await refined([boxed(18), "The arithmetic seems doubtful."])
    assert (solution.answer, len(backend.requests)) == ("18", 2)


async def test_an_error_that_is_quoted_is_mended_once_without_a_second_critique() -> None:
    script: Script = [
        boxed(17),
        "`\\boxed{17}` is wrong: 6 * 3 is 18.",
        boxed(18),
    ]
    solution, backend = await refined(script)
    assert solution.answer == "18"
    assert solution.receipt.stopped_because == "complete"
    roles = [m["role"] for m in backend.requests[2].messages]
    assert roles == ["user", "assistant", "user", "assistant", "user"]


async def test_an_improvement_that_a_check_fails_leaves_the_draft() -> None:
    check = AnswerCheck(lambda answer: None if answer == "18" else False)
    script: Script = [boxed(18), '"So it is" is wrong.', boxed(17)]
    solution, backend = await refined(script, verifiers=[check])
    assert (solution.answer, len(backend.requests)) == ("18", 3)


@pytest.mark.parametrize(
    ("critique", "is_named"),
    [
        ('The step "3 + 6 = 18" adds where it should multiply.', True),
        ("The step $3 + 6 = 18$ is wrong.", True),
        ("`3+6=18`: that is 9.", True),
        ("“Three boxes of six.” is misread.", True),
        ("3 + 6 is not 18.", False),
        ('The step "3 * 6 = 17" is wrong.', False),
        ('The word "boxes" is odd.', False),
        ("No errors.", False),
        ("**No errors**", False),
        ('I looked at "3 + 6 = 18". The solution is correct.', False),
        ("There are no errors in it.", False),
        ("", False),
    ],
)
def test_an_error_is_named_where_words_of_the_solution_are_quoted(
    critique: str, is_named: bool
) -> None:
    solution = "Three boxes of six: **3 + 6 = 18**, so it is \\boxed{18}."
    assert names_an_error(critique, solution, "math") is is_named


def test_free_text_may_be_criticised_for_what_is_missing() -> None:
    assert names_an_error("It has no title.", "Rain falls.", "text")
    assert not names_an_error("No errors.", "Rain falls.", "text")


# The rule


def known(standing: Standing, grade: float = 0.0) -> Feedback:
    if standing in ("unknown", "pass"):
        return Feedback(standing=standing)
    return Feedback(standing=standing, grade=grade if standing == "fail" else 0.0, text="Wrong.")


STANDINGS: list[Standing] = ["no_answer", "fail", "unknown", "pass"]
feedbacks = st.builds(known, st.sampled_from(STANDINGS), st.sampled_from([0.0, 0.25, 0.5]))


@given(st.lists(feedbacks, min_size=1, max_size=ROUNDS + 1))
def test_with_a_judge_the_base_is_never_worse_than_any_attempt(found: list[Feedback]) -> None:
    refinement = Refinement(attempt="c0").weighed(found[0], is_new=True)
    for number, one in enumerate(found[1:], start=1):
        refinement = refinement.bought(f"c{number}").weighed(one, is_new=True)
    assert not any(one.is_better_than(refinement.feedback) for one in found)
    assert refinement.failed != refinement.base
    assert Refinement.from_plain(refinement.to_plain()) == refinement


def test_what_fails_is_improved_and_what_nothing_speaks_against_is_criticised_once() -> None:
    start = Refinement(attempt="c1")
    assert start.weighed(known("fail"), is_new=True).next == "improve"
    assert start.weighed(known("no_answer"), is_new=True).next == "improve"
    assert start.weighed(known("pass"), is_new=True).next == "end"
    unknown = start.weighed(known("unknown"), is_new=True)
    assert unknown.next == "critique"
    assert replace(unknown, critique="It is wrong.").next == "end"
