"""docs/calibration.md: its three commands run, one after the other, on made-up samples."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from page_blocks import in_shell, lines_of
from scripted_server import served

from its_agent import Agent
from its_agent.backends.pool_file import read_pool
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.bench.runs import read_runs
from its_agent.difficulty.profile import load_profile

PAGE = "docs/calibration.md"
MODEL = "scripted"
PROBLEMS = 12
SMALLER = {
    "--limit 150": f"--limit {PROBLEMS}",
    "step_by_step@0.8x16": "step_by_step@0.8x5",
    "--orders 8 --folds 5": f"--limit {PROBLEMS} --budgets 500 --orders 2 --folds 2",
}
"""All that is replaced in the page's commands: its numbers take minutes of fitting."""


def commands() -> list[str]:
    told = "\n".join(lines_of(PAGE, "its-agent"))
    for numbers, fewer in SMALLER.items():
        assert numbers in told
        told = told.replace(numbers, fewer)
    return told.splitlines()


def write_problems(path: Path) -> None:
    rows = [
        {
            "id": f"p{n}",
            "problem": f"{n}: how many eggs are in {n} boxes of 6?",
            "answer": f"{6 * n}",
        }
        for n in range(1, PROBLEMS + 1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def some_right(request: Request, index: int) -> Reply:
    """Every third problem is hard, the others are not; right samples are likelier to the model."""
    number = int(request.messages[-1]["content"].partition(":")[0])
    chance = random.Random(f"{number} {index} {request.temperature}")
    is_right = chance.random() < (0.2, 0.6, 0.9)[number % 3]
    answer = 6 * number if is_right else chance.choice([1, 1, chance.randint(1_000, 1_100)])
    logprob = min(-0.01, chance.gauss(-0.15 if is_right else -0.25, 0.1))
    return Reply(text=rf"It is \boxed{{{answer}}}.", tokens=chance.randint(20, 60), logprob=logprob)


@pytest.mark.timeout(600)
async def test_its_three_commands_make_a_pool_a_profile_and_runs(tmp_path: Path) -> None:
    write_problems(tmp_path / "PROBLEMS.jsonl")
    record, calibrate, replay = commands()
    with served(engine := ScriptedBackend(some_right), model=MODEL) as url:
        recorded = in_shell(record, tmp_path, ITS_BASE_URL=url)
        assert recorded.returncode == 0, recorded.stderr
    bought = len(engine.requests)
    for command in (calibrate, replay):
        done = in_shell(command, tmp_path)
        assert done.returncode == 0, done.stderr

    samples = sum(len(row.samples) for row in read_pool(tmp_path / "POOL.jsonl").rows)
    profile = load_profile(tmp_path / "my-model.json")
    runs = read_runs(tmp_path / "RUNS.jsonl")
    assert samples == PROBLEMS * (1 + 5)
    assert (profile.model, profile.problems) == (MODEL, PROBLEMS)
    assert {run.strategy for run in runs} == {"adaptive", "self_consistency"}
    assert len(runs) == PROBLEMS * 2 * 2
    assert len(engine.requests) == bought

    with served(ScriptedBackend(lambda request, index: r"\boxed{42}"), model=MODEL) as url:
        async with Agent(url, profile=tmp_path / "my-model.json") as agent:
            assert (await agent.asolve("What is 17 + 25?")).answer == "42"
