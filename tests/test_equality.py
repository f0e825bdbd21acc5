"""Equal answers are merged by algebra in processes that cannot hold anybody up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from its_agent.equality import AnswerEquality, comparable, suspects

TOWER = "9^{9^{9^9}}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def equality() -> AsyncIterator[AnswerEquality]:
    async with AnswerEquality() as shared:
        yield shared


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x^2+2x+1", "(x+1)^2"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("sqrt(8)", r"2\sqrt{2}"),
        (r"\frac{1}{2}x", "x/2"),
        ("2^{10}", "1024"),
        ("10!", "3628800"),
        (r"\{1,2\}", r"\{2,1\}"),
        ("1,2", "2, 1"),
        ("1 or 2", "2 or 1"),
        ("(1/2, 3)", "(0.5, 3)"),
        (r"x \in [1,2]", "[1,2]"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        ("5+3i", "3i+5"),
    ],
)
async def test_algebra_finds_equal_expressions(equality: AnswerEquality, a: str, b: str) -> None:
    assert await equality.same(a, b, "math")
    assert await equality.same(b, a, "math")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("(1,2)", r"\{1,2\}"),
        ("(1,2)", "[1,2]"),
        ("(1,2)", "(2,1)"),
        ("[0,1)", "(0,1)"),
        ("1,2", "12"),
        ("50%", "0.5"),
        (r"\frac{1}{2}x", r"\frac{1}{3}x"),
        ("x+1", "x-1"),
        ("listen", "silent"),
        ("x<3", "x>3"),
        (r"\text{yes}", r"\text{no}"),
        (r"\frac{", "1"),
        ("", "1"),
    ],
)
async def test_different_answers_stay_apart(equality: AnswerEquality, a: str, b: str) -> None:
    assert not await equality.same(a, b, "math")
    assert not await equality.same(b, a, "math")


@pytest.mark.asyncio(loop_scope="module")
async def test_merging_numbers_clusters_by_first_appearance(equality: AnswerEquality) -> None:
    answers = [r"\sqrt{8}", None, "3", r"2\sqrt{2}", "3.0", r"\frac{6}{2}", "4", None]
    assert await equality.merge(answers, "math") == [0, None, 1, 0, 1, 1, 2, None]


async def test_plain_numbers_and_texts_start_no_process() -> None:
    async with AnswerEquality() as equality:
        assert await equality.merge(["1/2", "0.5", "50%", "$18"], "math") == [0, 0, 1, 2]
        assert await equality.merge(["Paris", "paris.", "London"], "text") == [0, 0, 1]
        assert await equality.merge(["B", "b", "C"], "choice") == [0, 0, 1]
        assert equality.processes == 0


async def test_a_power_tower_is_cut_off_and_holds_nobody_up() -> None:
    async with AnswerEquality(seconds=1.5) as equality:
        warm = [equality.same("x+1", "1+x", "math"), equality.same("y+1", "1+y", "math")]
        assert all(await asyncio.gather(*warm))
        start = time.perf_counter()
        tower = asyncio.create_task(equality.same(TOWER, "x+1", "math"))
        await asyncio.sleep(0.05)
        assert await equality.same("z+1", "1+z", "math")
        sibling_seconds = time.perf_counter() - start
        assert not tower.done()
        assert not await tower
        assert sibling_seconds < 1.4 <= time.perf_counter() - start < 3
        assert (equality.timeouts, equality.failures) == (1, 0)


async def test_a_slow_answer_is_asked_about_once() -> None:
    async with AnswerEquality() as equality:
        start = time.perf_counter()
        answers = ["x+1", "x^2", TOWER, r"\sqrt{x}", TOWER, "(200000!)!", "1+x"]
        assert await equality.merge(answers, "math") == [0, 1, 2, 3, 2, 4, 0]
        assert equality.timeouts <= 2
        assert time.perf_counter() - start < 20


async def test_a_worker_that_dies_is_a_failure_not_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "worker.py"
    broken.write_text("print('ready', flush=True); input(); raise SystemExit(1)")
    async with AnswerEquality(worker=broken) as equality:
        assert await equality.merge(["x+1", "1+x"], "math") == [0, 1]
        assert (equality.timeouts, equality.failures) == (0, 1)


async def test_a_worker_that_never_starts_is_a_failure(tmp_path: Path) -> None:
    async with AnswerEquality(worker=tmp_path / "missing.py") as equality:
        assert not await equality.same("x+1", "1+x", "math")
        assert equality.failures == 1


def test_one_object_serves_several_event_loops_and_threads() -> None:
    equality = AnswerEquality()
    results: list[bool] = []

    def compare(variable: str) -> None:
        pair = (f"{variable}+1", f"1+{variable}")
        results.append(asyncio.run(equality.same(*pair, "math")))

    compare("x")
    thread = threading.Thread(target=compare, args=("y",))
    thread.start()
    thread.join()
    assert results == [True, True]
    asyncio.run(equality.aclose())


async def test_closing_ends_the_processes_and_a_later_question_starts_one() -> None:
    equality = AnswerEquality()
    assert await equality.same("x+1", "1+x", "math")
    await equality.aclose()
    assert equality.processes == 0
    assert await equality.same("y+1", "1+y", "math")
    assert equality.processes == 1
    await equality.aclose()


def test_a_script_needs_no_main_guard_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio\n"
        "from its_agent.equality import AnswerEquality\n"
        "print('started')\n"
        "equality = AnswerEquality()\n"
        r"answers = ['\\frac{x}{2}', '0.5x', 'x']" + "\n"
        "print(asyncio.run(equality.merge(answers, 'math')))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.splitlines() == ["started", "[0, 0, 1]"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("a", "b", "allowed"),
    [
        ("(x+1)(x-1)", "x^2-1", True),
        (r"\{1,2\}", "1,2", True),
        ("(1,2)", "1,2", False),
        ("[0,1)", "[0,2)", True),
        ("the cat", "the dog", False),
        ("x" * 301, "x", False),
        (")", "(", True),
    ],
)
def test_what_algebra_may_judge(a: str, b: str, allowed: bool) -> None:
    assert comparable(a, b) is allowed


def test_the_slow_one_of_a_pair_is_the_one_with_more_powers() -> None:
    assert suspects("x^2", TOWER) == {TOWER}
    assert suspects("x^2", "y^3") == {"x^2", "y^3"}
