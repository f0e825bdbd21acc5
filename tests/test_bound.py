"""What selection could reach at most, and how answers are graded."""

from __future__ import annotations

from pathlib import Path

import pytest

from its_agent.backends.protocol import Request
from its_agent.backends.recording import RecordingBackend
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.bench.bound import Coverage, coverage_section, measure_coverage
from its_agent.bench.grading import Grader
from its_agent.bench.problems import CODE_ONLY, BenchProblem
from its_agent.bench.runs import Run
from its_agent.budget import Usage
from its_agent.receipt import Fingerprint

DOUBLE = "```python\ndef double(x):\n    return 2 * x\n```"
SQUARE = "```python\ndef double(x):\n    return x * x\n```"
TESTS = ("assert double(2) == 4", "assert double(3) == 6")
CODE = BenchProblem(id="p1", problem="Write double(x).", answer="", tests=TESTS)


def covered(right: int, samples: int = 16) -> Coverage:
    return Coverage(
        id="p", samples=samples, right=right, greedy_right=True, prompt_tokens=50, tokens=800
    )


def test_pass_at_k_is_that_of_its_paper() -> None:
    """By hand: 1 − C(11, 4)/C(16, 4) = 1 − 330/1820."""
    assert covered(5).passes(4) == pytest.approx(1 - 330 / 1820)
    assert covered(5).passes(1) == pytest.approx(5 / 16)
    assert covered(0).passes(16) == 0
    assert covered(1).passes(16) == 1
    assert covered(13).passes(4) == 1


async def test_a_program_is_right_that_passes_the_tests_nobody_saw() -> None:
    grader = Grader()
    assert await grader.is_right(CODE, DOUBLE)
    assert not await grader.is_right(CODE, SQUARE)
    assert not await grader.is_right(CODE, None)
    plain = BenchProblem(id="p2", problem="2 + 2?", answer="4")
    assert await grader.is_right(plain, "4.0")
    assert not await grader.is_right(plain, "5")


def test_a_solver_sees_the_first_test_alone() -> None:
    posed = CODE.posed
    assert posed.tests == TESTS[:1]
    assert TESTS[0] in posed.question
    assert TESTS[1] not in posed.question
    assert posed.question.endswith(CODE_ONLY)
    assert CODE.grading_tests == TESTS
    prepared = BenchProblem(id="p", problem="x", answer="", tests=TESTS, test_setup="import math")
    assert prepared.posed.tests == ("import math", TESTS[0])


async def test_coverage_grades_a_greedy_and_all_warm_samples_and_keeps_them(
    tmp_path: Path,
) -> None:
    def write(request: Request, index: int) -> Reply:
        is_right = request.temperature == 0 or index % 4 == 0
        return Reply(text=DOUBLE if is_right else SQUARE, tokens=20)

    engine = ScriptedBackend(write)
    backend = RecordingBackend(engine, tmp_path / "kept.jsonl")
    told: list[Coverage] = []
    for _ in range(2):
        await measure_coverage([CODE], backend, samples=8, concurrency=2, on_problem=told.append)
    seen, again = told
    assert seen == again
    # The greedy sample was the script's first; of the next eight, every fourth is right.
    assert (seen.greedy_right, seen.right, seen.samples) == (True, 2, 8)
    assert seen.compute == seen.prompt_tokens + 8 * 20
    assert sum(request.n for request in engine.requests) == 9


def test_the_section_has_the_means_and_the_command() -> None:
    section = coverage_section([covered(16), covered(0)], "made up", "its-agent bench bound …")
    assert "| greedy | pass@1 | pass@2 | pass@4 | pass@8 | pass@16 |" in section
    assert "| 1.000 | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 |" in section
    assert "its-agent bench bound …" in section
    assert "cost 850 compute units" in section


def test_strategies_are_held_against_the_bound() -> None:
    run = Run(
        id="p",
        strategy="adaptive",
        budget=800,
        gold="4",
        answer="4",
        correct=True,
        confidence=0.5,
        status="agreed",
        spent=Usage(compute=340),
        by_purpose={},
        stopped_because="confident",
        seconds=1.0,
        steps=(),
        candidates=(),
        engine=Fingerprint(model="tiny", backend="scripted"),
        command="its-agent bench …",
    )
    section = coverage_section([covered(16), covered(0)], "made up", "x", [run])
    assert "| 800 | adaptive | 1 | 1.000 | 200% | 340 | 40% |" in section
