"""The benchmark: its statistics, its problem and run files, its schedule, runs and page."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench_runs import COMMAND, ENGINE, a_run, a_sample, outcomes

from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.bench.chart import chart
from its_agent.bench.problems import BenchProblem, is_right, read_problems
from its_agent.bench.report import Beside, report
from its_agent.bench.run import check_same_engine, run_jobs, schedule
from its_agent.bench.runs import Run, append_run, drop_broken_end, read_runs
from its_agent.bench.stats import bootstrap_mean, mcnemar, wilson
from its_agent.bench.table import cells, comparisons
from its_agent.bench.transitions import transitions
from its_agent.errors import BackendError, BackendLost, InvalidInput, InvalidOption


def problem_file(path: Path, rows: list[dict[str, object]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def rows(count: int, first: int = 0) -> list[dict[str, object]]:
    return [
        {"id": f"p{n}", "problem": f"How many is {n} plus 0?", "answer": str(n), "source": "made"}
        for n in range(first, first + count)
    ]


# Statistics


def test_wilson_matches_published_values() -> None:
    # Newcombe 1998, table I, method 3.
    for successes, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        interval = wilson(successes, trials)
        assert interval.low == pytest.approx(low, abs=5e-5)
        assert interval.high == pytest.approx(high, abs=5e-5)


def test_wilson_of_nothing_is_everything() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(0.0625)
    assert mcnemar(1, 8) == pytest.approx(0.0390625)
    assert mcnemar(8, 1) == mcnemar(1, 8)
    assert mcnemar(4, 4) == 1.0


def test_the_bootstrap_is_repeatable_and_brackets_the_mean() -> None:
    differences = [1, 0, 0, 1, -1, 0, 1, 0, 0, 1]
    interval = bootstrap_mean(differences)
    assert interval == bootstrap_mean(differences)
    assert interval.low <= 0.3 <= interval.high
    # A mean of 10 draws from this sample has standard error 0.2; the percentiles sit near 2 of it.
    assert interval.low == pytest.approx(-0.1, abs=0.1)
    assert interval.high == pytest.approx(0.7, abs=0.1)


def test_the_bootstrap_of_a_constant_is_that_constant() -> None:
    interval = bootstrap_mean([1, 1, 1], resamples=50)
    assert (interval.low, interval.high) == (1, 1)


def test_a_bootstrap_needs_differences() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_mean([])


# Problems


@pytest.mark.parametrize("name", ["problems.jsonl", "problems.jsonl.gz"])
def test_the_first_problems_that_are_not_excluded_are_read(tmp_path: Path, name: str) -> None:
    path = problem_file(tmp_path / name, rows(6))
    pool = problem_file(tmp_path / "pool.jsonl", [{"id": "p0"}, {"id": "p2"}])
    runs = problem_file(tmp_path / "runs.jsonl", [{"id": "p3"}])
    chosen = read_problems(path, limit=3, exclude=[pool, runs])
    assert [problem.id for problem in chosen] == ["p1", "p4", "p5"]


def test_numbers_in_a_problem_file_are_read_as_text(tmp_path: Path) -> None:
    path = problem_file(tmp_path / "p.jsonl", [{"id": 7, "problem": "2+2?", "answer": 4}])
    assert read_problems(path, limit=1)[0] == BenchProblem(id="7", problem="2+2?", answer="4")


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "1", "problem": "2+2?", "answer": "4"}\n{"id": "2"}\n')
    with pytest.raises(InvalidInput, match=r"p\.jsonl, line 2 is not a problem: problem: "):
        read_problems(path, limit=2)


def test_too_few_problems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has 2 problems"):
        read_problems(problem_file(tmp_path / "p.jsonl", rows(2)), limit=3)


def test_twin_ids_are_refused(tmp_path: Path) -> None:
    path = problem_file(tmp_path / "p.jsonl", [*rows(1), *rows(1)])
    with pytest.raises(InvalidInput, match="two problems with the id 'p0'"):
        read_problems(path, limit=2)


def test_a_missing_or_corrupt_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_problems(tmp_path / "none.jsonl", limit=1)
    corrupt = tmp_path / "p.jsonl.gz"
    corrupt.write_bytes(b"not gzip at all")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_problems(corrupt, limit=1)
    with pytest.raises(InvalidOption, match="--limit"):
        read_problems(corrupt, limit=0)


def test_answers_are_compared_as_exact_numbers() -> None:
    assert is_right("0.5", r"\frac{1}{2}")
    assert is_right("$1,200", "1200")
    assert not is_right("0.33", "1/3")
    assert not is_right(None, "4")


# Schedule


def test_budgets_fall_within_a_problem_and_strategies_take_turns_at_being_first() -> None:
    problems = [BenchProblem(id=name, problem="?", answer="1") for name in "ab"]
    plan = schedule(problems, strategies=["x", "y"], budgets=[10, 30])
    assert [[(job.strategy, job.budget) for job in jobs] for jobs in plan] == [
        [("x", 30), ("y", 30), ("x", 10), ("y", 10)],
        [("y", 30), ("x", 30), ("y", 10), ("x", 10)],
    ]


def test_runs_that_are_there_are_not_scheduled_again() -> None:
    problems = [BenchProblem(id=name, problem="?", answer="1") for name in "ab"]
    done = {("a", "x", 10, 0), ("b", "x", 10, 0), ("b", "y", 10, 0), ("a", "y", 10, 1)}
    plan = schedule(problems, strategies=["x", "y"], budgets=[10], done=done)
    assert [[job.key for job in jobs] for jobs in plan] == [[("a", "y", 10, 0)]]


# The runs file


def test_a_last_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    first, second = outcomes("adaptive", "+-")
    append_run(path, first)
    path.write_text(path.read_text() + second.model_dump_json()[:40])
    assert read_runs(path) == [first]
    drop_broken_end(path)
    append_run(path, second)
    assert read_runs(path) == [first, second]
    packed = path.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_runs(packed) == [first, second]
    packed.write_bytes(b"no archive")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_runs(packed)


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("{}\n" + outcomes("adaptive", "+")[0].model_dump_json() + "\n")
    with pytest.raises(InvalidInput, match="line 1 is not a run"):
        read_runs(path)


def test_runs_of_another_engine_are_refused() -> None:
    check_same_engine(outcomes("adaptive", "+"), ENGINE)
    with pytest.raises(InvalidInput, match="holds runs of tiny"):
        check_same_engine(outcomes("adaptive", "+"), replace(ENGINE, dtype="float32"))


# Runs


def problems_of(count: int) -> list[BenchProblem]:
    return [BenchProblem.model_validate(row) for row in rows(count, first=3)]


def adder(request: Request, index: int) -> Reply:
    """Answers "How many is N plus 0?" with N."""
    words = str(request.messages[-1]["content"]).split()
    number = words[words.index("is") + 1] if "is" in words else "0"
    return Reply(text=rf"It is \boxed{{{number}}}.")


async def make(
    backend: ScriptedBackend, count: int = 3, budgets: tuple[int, ...] = (400,)
) -> list[Run]:
    made: list[Run] = []
    plan = schedule(
        problems_of(count), strategies=["single_pass", "self_consistency"], budgets=budgets
    )
    await run_jobs(plan, backend, concurrency=2, command=COMMAND, on_run=made.append)
    return made


async def test_every_job_becomes_one_run_that_keeps_its_budget() -> None:
    made = await make(ScriptedBackend(adder), budgets=(400, 900))
    assert len({run.key for run in made}) == len(made) == 12
    assert all(run.correct and run.spent.compute <= run.budget for run in made)
    assert all(run.candidates[0].answer == run.gold for run in made)
    assert all(run.steps and run.engine.model == "scripted" for run in made)


async def test_runs_survive_the_file(tmp_path: Path) -> None:
    made = await make(ScriptedBackend(adder))
    for run in made:
        append_run(tmp_path / "runs.jsonl", run)
    assert read_runs(tmp_path / "runs.jsonl") == made
    assert "text" not in json.loads(made[0].model_dump_json())["candidates"][0]


async def test_a_budget_that_pays_for_nothing_is_recorded_as_an_error() -> None:
    made = await make(ScriptedBackend(adder), count=1, budgets=(3,))
    assert [run.status for run in made] == ["error", "error"]
    assert all(run.error and run.error.startswith("BudgetTooSmall: ") for run in made)
    assert not any(run.correct or run.spent.compute for run in made)


async def test_a_backend_that_goes_away_ends_the_benchmark_and_blames_no_strategy() -> None:
    def dies(request: Request, index: int) -> Reply | BackendError:
        asked = str(request.messages[-1]["content"])
        return BackendLost("the engine died") if "is 4 plus" in asked else adder(request, index)

    made: list[Run] = []
    plan = schedule(problems_of(2), strategies=["single_pass"], budgets=[400])
    with pytest.raises(BackendError):
        await run_jobs(
            plan, ScriptedBackend(dies), concurrency=1, command=COMMAND, on_run=made.append
        )
    assert [run.id for run in made] == ["p3"]


# The page


def test_comparisons_pair_problems_at_the_same_budget() -> None:
    runs = [*outcomes("adaptive", "+++-"), *outcomes("single_pass", "+--")]
    (one,) = comparisons(cells(runs))
    assert (one.baseline, one.problems, one.only_subject, one.only_baseline) == (
        "single_pass",
        3,
        2,
        0,
    )
    assert one.difference == pytest.approx(2 / 3)


def test_the_page_says_where_an_interval_holds_zero() -> None:
    runs = [
        *outcomes("adaptive", "+" * 12),
        *outcomes("single_pass", "-" * 12),
        *outcomes("self_consistency", "+" * 11 + "-"),
    ]
    page = report({"eggs": runs}, Beside(charts={"eggs": "eggs.svg"}))
    assert "adaptive is 100.0 points ahead of single_pass, and the interval does not hold 0" in page
    assert "adaptive is 8.3 points ahead of self_consistency, and the interval holds 0" in page
    assert "more than their budget: **0** of 36" in page
    assert "12 of 12 | 100.0% (75.8% to 100.0%)" in page
    assert "](eggs.svg)" in page
    assert COMMAND in page
    assert "model tiny; engine vllm 0.32.0; dtype bfloat16" in page
    assert "12 problems, in the order of the runs: p0, p1," in page


def refined(marks: str, *, strategy: str = "refine") -> list[Run]:
    """Runs by draft and final answer: "+-" was right and is wrong, "." has no answer."""
    answers = {"+": "4.0", "-": "5", ".": None}
    runs: list[Run] = []
    for place, (draft, final) in enumerate(map(tuple, marks.split())):
        run = a_run(f"p{place}", strategy, 500, correct=final == "+")
        sample = a_sample(answers[draft], path=strategy)
        runs.append(run.model_copy(update={"candidates": (sample, sample)}))
    return runs


def test_drafts_are_counted_by_what_became_of_them() -> None:
    seen = transitions(
        [*refined("++ ++ +- -+ -+ .+ -- .-"), a_run("x", "refine", 500, correct=False)]
    )
    assert (seen.kept_right, seen.spoiled, seen.mended, seen.kept_wrong) == (2, 1, 3, 2)
    assert (seen.runs, seen.drafts_right, seen.finals_right) == (8, 3, 5)
    assert seen.p == pytest.approx(0.625)
    assert (seen.spoiling, seen.mending) == (wilson(1, 3), wilson(3, 5))


def test_the_page_says_what_refining_made_of_drafts() -> None:
    page = report({"eggs": [*refined("++ +- -+ --"), *refined("++", strategy="adaptive")]})
    assert "| 500 | refine | 2 of 4 | 2 of 4 | 1 of 2 (9.5% to 90.5%)" in page
    assert "| 500 | refine | 1 of 1 | 1 of 1 | 0 of 1 (0.0% to 79.3%) | 0 of 0 | 1.000 |" in report(
        {"eggs": refined("++")}
    )
    assert "refining made" not in report({"eggs": refined("++", strategy="adaptive")})


def test_the_page_names_runs_above_their_budget_and_errors() -> None:
    over = a_run("p0", "adaptive", 500, correct=True, compute=501)
    broke = a_run("p1", "adaptive", 500, correct=False).model_copy(
        update={"error": "SolveFailed: nothing came back"}
    )
    page = report({"eggs": [over, broke]})
    assert "**1** of 2" in page
    assert "p0, adaptive at 500: 501" in page
    assert "p1, adaptive at 500: SolveFailed: nothing came back" in page


def test_a_page_of_no_runs_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no runs"):
        report({"eggs": []})


def test_the_chart_is_well_formed_and_has_a_line_for_each_strategy() -> None:
    runs = [
        *outcomes("adaptive", "++-"),
        *outcomes("adaptive", "+++", budget=900),
        *outcomes("single_pass", "+--"),
    ]
    root = ElementTree.fromstring(chart(cells(runs)))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    assert len(lines[0].attrib["points"].split()) == 2
