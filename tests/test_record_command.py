"""`its-agent record` and `its-agent calibrate`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_server import served
from toy_pool import MODEL, made_up

from its_agent.backends.pool_file import read_pool
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.cli import main
from its_agent.difficulty.profile import load_profile

PROBLEM = {"id": "eggs", "problem": "How many eggs are in 3 boxes of 6?", "answer": "18"}


def told(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    path.write_text(json.dumps(PROBLEM) + "\n")
    return path


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "toy.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in made_up(30)))
    return path


def eighteen() -> ScriptedBackend:
    return ScriptedBackend(lambda request, index: Reply(text="It is \\boxed{18}."))


def test_a_pool_is_recorded_once(problems: Path, tmp_path: Path) -> None:
    out, engine = tmp_path / "pool.jsonl", eighteen()
    arms = "step_by_step@0x1,step_by_step@0.8x3"
    with served(engine) as address:
        command = ["record", str(problems), "--limit", "1", "--arms", arms, "--out", str(out)]
        assert told(*command, "--base-url", address) == 0
        bought = len(engine.requests)
        assert told(*command, "--base-url", address) == 0
    assert len(engine.requests) == bought > 0
    rows = read_pool(out).rows
    assert [(row.id, row.temperature, len(row.samples)) for row in rows] == [
        ("eggs", 0.0, 1),
        ("eggs", 0.8, 3),
    ]


def test_an_engine_that_is_not_there_is_said_in_words(
    problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, nowhere = tmp_path / "pool.jsonl", "http://127.0.0.1:9"
    assert told("record", problems, "--limit", "1", "--out", out, "--base-url", nowhere) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--arms", "nonsense"], "'nonsense' is no arm"),
        (["--scorers", "p_true,oracle"], "--scorers takes p_true, rating, got oracle"),
        (["--limit", "2"], "--limit asks for 2"),
    ],
)
def test_bad_options_are_refused_before_an_engine_is_asked(
    problems: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    limit = [] if "--limit" in options else ["--limit", "1"]
    assert told("record", problems, *limit, *options, "--out", tmp_path / "pool.jsonl") == 2
    assert message in capsys.readouterr().err


def test_a_profile_is_made_of_a_pool(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "toy.json"
    assert told("calibrate", pool, "--folds", "3", "--out", out) == 0
    profile = load_profile(out)
    assert (profile.model, profile.problems, profile.pools) == (MODEL, 30, ("toy.jsonl",))
    shown = capsys.readouterr().err
    assert profile.quality is not None
    assert f"{profile.quality.brier:.3f}" in shown
    assert "only 30 problems" in shown


def test_whose_profile_is_meant_must_be_known(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(pool.read_text().replace(f'"model":"{MODEL}"', '"model":"other"'))
    assert told("calibrate", pool, other, "--out", tmp_path / "toy.json") == 2
    assert "samples of other, toy; say which by --model" in capsys.readouterr().err
