"""Benchmarks on a recorded pool: the same samples in the same order for every strategy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_pool import made_up

from its_agent.backends.pool import PoolBackend
from its_agent.bench.problems import BenchProblem
from its_agent.bench.replay import Recorded, held_problems, replay_jobs
from its_agent.bench.run import run_jobs, schedule
from its_agent.bench.runs import Run, read_runs
from its_agent.cli import main
from its_agent.difficulty.profile import Prior, profile_of
from its_agent.errors import InvalidInput

PROBLEMS = [
    BenchProblem(id=f"p{n}", problem=f"How many is {n} plus 0?", answer=str(n)) for n in range(4)
]
STRATEGIES = ["single_pass", "self_consistency"]


def sample(answer: int) -> dict[str, object]:
    text = rf"It is \boxed{{{answer}}}."
    return {"text": text, "finish": "stop", "tokens": 10, "logprobs": [-0.1] * 10}


def row(problem: BenchProblem) -> dict[str, object]:
    """Eight samples that all differ."""
    samples = [sample(place) for place in range(8)]
    named = {"id": problem.id, "problem": problem.problem, "answer": problem.answer}
    return {**named, "prompt_tokens": 20, "samples": samples}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Holds p0 to p2."""
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row(one)) + "\n" for one in PROBLEMS[:3]))
    return path


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(one.model_dump_json() + "\n" for one in PROBLEMS))
    return path


async def replayed(pool: Path, orders: int) -> list[Run]:
    made: list[Run] = []
    plans = [
        schedule(PROBLEMS[:3], strategies=STRATEGIES, budgets=[80, 160], order=order)
        for order in range(orders)
    ]
    await replay_jobs(
        plans,
        Recorded(files=(pool,)),
        earlier=(),
        command="its-agent bench …",
        on_run=made.append,
        max_tokens=512,
        temperature=0.8,
        top_p=0.95,
    )
    return made


def drawn(run: Run) -> list[str | None]:
    return [candidate.answer for candidate in run.candidates]


async def test_every_strategy_meets_the_same_samples_in_the_same_order(pool: Path) -> None:
    made = await replayed(pool, orders=3)
    assert len({run.key for run in made}) == len(made) == 3 * 3 * 2 * 2
    for order in range(3):
        for problem in PROBLEMS[:3]:
            seen = [drawn(run) for run in made if (run.order, run.id) == (order, problem.id)]
            longest = max(seen, key=len)
            assert len(longest) > 4
            assert all(longest[: len(one)] == one for one in seen)
    first = {order: drawn(run) for order in range(3) for run in made if run.order == order}
    assert len({tuple(answers) for answers in first.values()}) > 1


async def test_a_replay_says_the_same_again(pool: Path) -> None:
    once, again = await replayed(pool, orders=2), await replayed(pool, orders=2)
    assert [(run.key, drawn(run), run.spent.compute) for run in once] == [
        (run.key, drawn(run), run.spent.compute) for run in again
    ]


async def test_runs_on_a_pool_take_turns_however_many_are_allowed_at_once(pool: Path) -> None:
    made: list[Run] = []
    plan = schedule(PROBLEMS[:3], strategies=STRATEGIES, budgets=[80, 160])
    backend = PoolBackend(pool)
    await run_jobs(plan, backend, concurrency=9, command="…", on_run=made.append)
    alone = await replayed(pool, orders=1)
    assert [drawn(run) for run in made] == [drawn(run) for run in alone]


async def test_problems_are_held_by_their_prompt_and_sampling(pool: Path) -> None:
    renamed = [one.model_copy(update={"id": f"x{one.id}"}) for one in PROBLEMS]
    held = await held_problems(renamed, Recorded(files=(pool,)), temperature=0.8, top_p=0.95)
    assert [one.id for one in held] == ["xp0", "xp1", "xp2"]
    with pytest.raises(InvalidInput, match=r"none of these .*were taken at 0\.8 and 0\.95"):
        await held_problems(PROBLEMS, Recorded(files=(pool,)), temperature=0.7, top_p=0.95)


def test_runs_of_before_orders_are_of_the_first(tmp_path: Path) -> None:
    old: dict[str, object] = {
        **{"id": "p", "strategy": "x", "budget": 5, "gold": "4", "answer": "4", "correct": True},
        **{"confidence": 0.5, "status": "agreed", "spent": {}, "by_purpose": {}, "seconds": 1.0},
        **{"stopped_because": "budget", "steps": [], "candidates": [], "command": "…"},
        "engine": {"model": "tiny", "backend": "vllm"},
    }
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(old) + "\n")
    assert read_runs(path)[0].key == ("p", "x", 5, 0)


# The command


def bench(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_replays_resumes_and_says_what_the_pool_lacks(
    pool: Path,
    problems: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ITS_BASE_URL", "http://127.0.0.1:9")
    out = tmp_path / "runs.jsonl"
    command = [problems, "--replay", pool, "--limit", 2, "--budgets", 80, "--out", out]
    command += ["--strategies", ",".join(STRATEGIES)]
    assert bench(*command, "--orders", 2) == 0
    assert "holds 3 of 4 problems and lacks 1" in capsys.readouterr().err
    made = read_runs(out)
    assert len({run.key for run in made}) == len(made) == 2 * 2 * 2
    assert "--replay pool.jsonl" in made[0].command
    assert "--orders 2" in made[0].command
    assert "--concurrency" not in made[0].command

    assert bench(*command, "--orders", 3) == 0
    assert "4 runs to make, 8 are there" in capsys.readouterr().err
    assert {run.order for run in read_runs(out)} == {0, 1, 2}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--base-url", "http://127.0.0.1:9"], "--base-url is for an engine"),
        (["--record", "kept.jsonl"], "--record is for an engine"),
        (["--model", "tiny"], "--model is for an engine"),
        (["--concurrency", "4"], "--concurrency is for an engine"),
        (["--orders", "0"], "--orders must be 1 or more"),
        (["--limit", "4"], "holds 3 problems"),
        (["--temperature", "0.3"], "holds none of these problems at temperature 0.3"),
    ],
)
def test_what_a_replay_cannot_do_is_refused(
    pool: Path,
    problems: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    out = tmp_path / "runs.jsonl"
    assert bench(problems, "--replay", pool, "--limit", 2, "--out", out, *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_orders_need_a_pool(
    problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(problems, "--orders", 2, "--out", tmp_path / "runs.jsonl") == 2
    assert "give --replay POOL too" in capsys.readouterr().err


def test_the_report_of_a_replay_has_its_bounds_and_pictures(
    pool: Path, problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "runs.jsonl", tmp_path / "page.md"
    command = [problems, "--replay", pool, "--limit", 3, "--budgets", "80,120", "--out", out]
    command += ["--strategies", "adaptive,thorough,single_pass,self_consistency"]
    command += ["--orders", 2]
    assert bench(*command) == 0
    rivals = ["--subject", "adaptive", "--baselines", "single_pass,self_consistency"]
    rivals += ["--baselines", "single_pass", "--subject", "thorough"]
    assert bench("report", out, *rivals, "--pool", pool, "--out", page) == 0
    said = page.read_text()
    assert "### Adaptive against envelope 1" in said
    assert "### Thorough against envelope 2" in said
    assert "points of single_pass over" in said.partition("### Adaptive against envelope 2")[2]
    assert "| pass@1 | pass@2 | pass@4 | pass@8 |" in said
    assert "runs_confidence.svg" in said
    assert "stroke-dasharray" in page.with_name("runs.svg").read_text()
    assert page.with_name("runs_confidence.svg").read_text().startswith("<svg")
    assert "seed=" not in said

    capsys.readouterr()
    assert bench("report", out, "--subject", "adaptive") == 2
    assert "--subject and --baselines go together" in capsys.readouterr().err


def test_with_folds_a_problem_is_met_with_a_profile_of_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a pool whose long questions are hard, the profiles know it and the default does not."""
    rows = made_up(24)
    pool, problems = tmp_path / "toy.jsonl", tmp_path / "problems.jsonl"
    pool.write_text("".join(row.model_dump_json() + "\n" for row in rows))
    posed = {row.id: BenchProblem(id=row.id, problem=row.problem, answer="7") for row in rows}
    problems.write_text("".join(one.model_dump_json() + "\n" for one in posed.values()))
    brier: dict[bool, float] = {}
    for fits in (False, True):
        out = tmp_path / f"{fits}.jsonl"
        options = ["--limit", "24", "--budgets", "700", "--strategies", "adaptive@0.8"]
        folds = ["--folds", "3"] if fits else []
        command = ["bench", str(problems), "--replay", str(pool), *options, *folds]
        with pytest.raises(SystemExit) as ended:
            main([*command, "--max-tokens", "60", "--out", str(out)])
        assert ended.value.code == 0
        runs = read_runs(out)
        assert len(runs) == 24
        assert ("--folds 3" in runs[0].command) == fits
        brier[fits] = sum((run.confidence - run.correct) ** 2 for run in runs) / len(runs)
    assert brier[True] < brier[False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "3"], "--folds are parts of a pool"),
        (["--strategies", "mbr@warm"], "'mbr@warm' names no temperature"),
        (["--models", "a=x"], "--models are those of a pool"),
        (["--models", "a=x,a=y", "--replay", "pool.jsonl"], "--models takes NAME=MODEL"),
        (["--strategies", "adaptive/b"], "'adaptive/b' names the model 'b'"),
        (
            ["--replay", "pool.jsonl", "--folds", "3", "--profile", "p.json"],
            "--folds fit profiles, and --profile is one",
        ),
        (["--profile", "p.json", "--profile", "q.json"], "one model has one"),
    ],
)
def test_bad_folds_and_temperatures_are_refused(
    problems: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(problems), "--out", str(tmp_path / "runs.jsonl"), *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_given_profile_is_gone_by(pool: Path, problems: Path, tmp_path: Path) -> None:
    sure = profile_of("default").model_copy(update={"prior": Prior(intercept=9.0, slope=0.0)})
    told = tmp_path / "sure.json"
    told.write_text(sure.to_json())
    out = tmp_path / "runs.jsonl"
    command = ["bench", str(problems), "--replay", str(pool), "--limit", "3", "--budgets", "300"]
    options = ["--strategies", "adaptive", "--profile", str(told), "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main([*command, *options])
    assert ended.value.code == 0
    runs = read_runs(out)
    assert all("--profile sure.json" in run.command for run in runs)
    assert {len(run.candidates) for run in runs} == {1}, "what is sure needs no second sample"


def test_strategies_have_the_models_that_they_name(
    problems: Path, pool: Path, tmp_path: Path
) -> None:
    """The larger model says 7 to everything, and a token of it costs three."""
    large = tmp_path / "large.jsonl"
    rows = [{**row(one), "model": "m-1.5B", "samples": [sample(7)] * 8} for one in PROBLEMS[:3]]
    rows += [{**row(one), "model": "m-0.5B"} for one in PROBLEMS[:3]]
    large.write_text("".join(json.dumps(one) + "\n" for one in rows))
    out = tmp_path / "runs.jsonl"
    strategies = "self_consistency,self_consistency/large,adaptive/small+large"
    command = ["bench", str(problems), "--replay", str(large), "--limit", "3", "--budgets", "900"]
    models = ["--models", "small=m-0.5B,large=m-1.5B", "--strategies", strategies]
    with pytest.raises(SystemExit) as ended:
        main([*command, *models, "--out", str(out)])
    assert ended.value.code == 0
    runs = {one.strategy: one for one in read_runs(out) if one.id == "p1"}
    alone, usual = runs["self_consistency/large"], runs["self_consistency"]
    assert (alone.engine.model, usual.engine.model) == ("m-1.5B", "m-0.5B")
    assert alone.answer == "7"
    assert alone.spent.compute == 3 * alone.raw_tokens
    assert usual.spent.compute == usual.raw_tokens
    both = runs["adaptive/small+large"]
    assert all(step["arm"].split("/")[0] in ("small", "large") for step in both.steps)
    assert "--models small=m-0.5B,large=m-1.5B" in both.command
