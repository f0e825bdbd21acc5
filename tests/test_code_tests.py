"""Programs are run with the problem's tests, and the first one that passes wins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from its_agent import Agent, Problem
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption
from its_agent.verifiers import CodeTests, ExplainsSlowly, Grades, Limits, Sandbox
from its_agent.verifiers.code import program_of

TESTS = ("assert double(2) == 4", "assert double(-1) == -2")
RIGHT = "def double(x):\n    return 2 * x"
WRONG = "def double(x):\n    return x * x"
ASKED = Problem([{"role": "user", "content": "Write double(x)."}], tests=TESTS)


def fenced(program: str) -> str:
    return f"Here it is.\n\n```python\n{program}\n```\n\nIt multiplies."


def numbered(programs: Callable[[int], str]) -> Callable[[Request, int], Reply]:
    """A new program for every sample that is asked for."""
    asked = iter(range(1_000))
    return lambda request, index: Reply(text=fenced(programs(next(asked))), tokens=40)


@pytest.mark.parametrize(
    ("program", "result"),
    [
        (RIGHT, "pass"),
        (fenced(RIGHT), "pass"),
        (fenced(WRONG) + fenced(RIGHT), "pass"),
        (WRONG, "fail"),
        ("def double(x):\n    return", "fail"),
        ("not python at all", "fail"),
        (f"{RIGHT}\nimport sys; sys.exit(0)", "fail"),
        (f"{RIGHT}\nimport os; os._exit(0)", "fail"),
        (f"{RIGHT}\nprint('all tests passed')\nraise SystemExit", "fail"),
        ("def double(x):\n    while True: pass", "fail"),
    ],
)
async def test_only_a_program_that_runs_through_its_tests_passes(program: str, result: str) -> None:
    assert await CodeTests(TESTS, sandbox=Sandbox(Limits(seconds=1))).examine(program) == result


async def test_every_test_is_tried_and_the_first_that_fails_is_told_with_its_value() -> None:
    tests = CodeTests(["import math", "assert double(2) == 4", "assert -2 == double(-1)", *TESTS])
    assert isinstance(tests, ExplainsSlowly)
    assert isinstance(tests, Grades)
    assert await tests.grade(WRONG) == 0.5
    told = await tests.explain(WRONG)
    assert told is not None
    assert told.startswith("2 of 4 tests pass.")
    assert "assert -2 == double(-1)\ndouble(-1) is 1\n" in told
    assert (await tests.explain(RIGHT), await tests.grade(RIGHT)) == (None, 1.0)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("def double(x):\n    return x + y", "return x + y"),
        ("def double(x):\n    return", "double(2) is None"),
        ("def double(x:", "The program itself fails.\nFile"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        (f"{RIGHT}\nimport os; os._exit(0)", "ends the process before"),
        ("def double(x):\n    while True: pass", "does not end within 1 seconds"),
        ("def double(x):\n    raise ValueError('no' * 100_000)", "nono"),
        ("print('x' * 2_000_000)", "too much output"),
        ("a = 1\0", "null bytes"),
        # What the runner itself imports is not there for the program.
        ("def double(x):\n    return json.loads('4')", "name 'json' is not defined"),
    ],
)
async def test_what_went_wrong_is_told_in_a_thousand_characters(program: str, says: str) -> None:
    told = await CodeTests(TESTS, sandbox=Sandbox(Limits(seconds=1))).explain(program)
    assert told is not None
    assert says in told
    assert len(told) <= 1_000


async def test_the_runner_s_own_future_is_not_the_program_s() -> None:
    tests = CodeTests(["assert f.__annotations__ == {'x': int}"])
    assert await tests.examine("def f(x: int): ...") == "pass"


def test_the_program_is_the_last_block_or_all_there_is() -> None:
    assert program_of(f"```\nfirst\n```\nthen\n```py\n{RIGHT}\n```") == f"{RIGHT}\n"
    assert program_of(f"```python\n{RIGHT}") == RIGHT
    assert program_of(RIGHT) == RIGHT


@pytest.mark.parametrize("tests", [(), "assert True"])
def test_tests_are_a_list_of_lines(tests: tuple[str, ...]) -> None:
    with pytest.raises(InvalidOption, match="a list of at least one line"):
        CodeTests(tests)


@pytest.mark.parametrize("strategy", ["adaptive", "best_of_n", "attempts"])
async def test_the_first_program_that_passes_ends_the_solve_as_verified(strategy: str) -> None:
    backend = ScriptedBackend(numbered(lambda n: RIGHT if n == 5 else f"{WRONG} + {n}"))
    async with Agent(backend, strategy=strategy, max_tokens=64) as agent:
        solution = await agent.asolve(ASKED, max_compute_budget=1_200)
    assert (solution.status, solution.confidence) == ("verified", 1.0)
    assert program_of(solution.text).strip() == RIGHT
    assert solution.receipt.stopped_because == "confident"
    assert "'tests' passes this answer" in solution.reasons[0]


async def test_programs_that_fail_have_no_vote_and_nothing_is_called_verified() -> None:
    backend = ScriptedBackend(numbered(lambda n: WRONG))
    async with Agent(backend, strategy="self_consistency", max_tokens=64) as agent:
        solution = await agent.asolve(ASKED, max_compute_budget=400)
    assert solution.status == "abstained"
    assert any("failed the checks" in reason for reason in solution.reasons)


async def test_equal_programs_do_not_end_a_wave_before_they_were_run() -> None:
    def reply(request: Request, index: int) -> Reply:
        late = index >= 14
        return Reply(text=RIGHT if late else WRONG, tokens=60 if late else 20)

    backend = ScriptedBackend(reply)
    async with Agent(backend, strategy="adaptive_consistency", max_tokens=64) as agent:
        solution = await agent.asolve(ASKED, max_compute_budget=1_100)
    assert len(solution.candidates) > 14
    assert backend.aborted == 0
    assert solution.status == "verified"
