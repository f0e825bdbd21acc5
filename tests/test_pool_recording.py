"""A pool is recorded once, gone on with, and replayed arm by arm."""

from __future__ import annotations

from pathlib import Path

import pytest

from its_agent import Agent
from its_agent.backends.pool import PoolBackend
from its_agent.backends.pool_file import Pool, read_pool
from its_agent.backends.recording import RecordingBackend
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.backends.scripted_reader import ScriptedReader
from its_agent.bench.arms import SampledArm
from its_agent.bench.pool_recording import record_readings, record_samples, unread
from its_agent.bench.problems import BenchProblem
from its_agent.errors import BackendLost, InvalidOption
from its_agent.verifiers import PTrue

EGGS = BenchProblem(id="eggs", problem="How many eggs are in 3 boxes of 6?", answer="18")
BOXES = BenchProblem(id="boxes", problem="How many boxes do 12 eggs fill by 6?", answer="2")
ARMS = [SampledArm.parse(spelt) for spelt in ("step_by_step@0x1", "plain@0.8x3")]


def counting() -> ScriptedBackend:
    """Every sample has a number of its own; one in three is cut off."""

    def reply(request: object, index: int) -> Reply:
        return Reply(
            text=f"so \\boxed{{{index}}}",
            finish="length" if index % 3 == 2 else "stop",
            top_logprobs={"True": -0.2},
        )

    return ScriptedBackend(reply)


async def recorded(
    path: Path, engine: ScriptedBackend, problems: list[BenchProblem], **options: object
) -> None:
    await record_samples(
        problems,
        ARMS,
        RecordingBackend(engine, path, alternatives=False),
        concurrency=1,
        on_problem=lambda one: None,
        **options,  # type: ignore[arg-type]
    )


def test_an_arm_is_a_prompt_a_temperature_and_a_number_of_samples() -> None:
    arm = SampledArm.parse("re_reading@0.6x16")
    assert (arm.prompt, arm.temperature, arm.samples) == ("re_reading", 0.6, 16)
    assert arm.name == "re_reading@0.6"


@pytest.mark.parametrize("spelt", ["step_by_step", "nonsense@1x4", "plain@0x2", "plain@0.8x0"])
def test_what_is_no_arm_is_refused(spelt: str) -> None:
    with pytest.raises(InvalidOption, match=spelt):
        SampledArm.parse(spelt)


async def test_every_row_says_whose_samples_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    await recorded(path, counting(), [EGGS, BOXES])
    rows = read_pool(path).rows
    assert [(row.id, row.arm, row.temperature, len(row.samples)) for row in rows] == [
        ("eggs", "step_by_step", 0.0, 1),
        ("eggs", "plain", 0.8, 3),
        ("boxes", "step_by_step", 0.0, 1),
        ("boxes", "plain", 0.8, 3),
    ]
    assert {(row.problem, row.answer) for row in rows} == {
        (one.problem, one.answer) for one in (EGGS, BOXES)
    }


async def test_a_recorded_sample_is_cut_where_its_tokens_end(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    words = ("a ", "considerably ", "longer ", "answer: ", "it ", "is ", "18")
    reply = Reply(text="".join(words))
    await record_samples(
        [EGGS],
        [SampledArm.parse("plain@0x1")],
        RecordingBackend(ScriptedBackend(lambda request, index: reply), path),
        concurrency=1,
        on_problem=lambda one: None,
    )
    (sample,) = read_pool(path).rows[0].samples
    assert sum(sample.lengths) == len(sample.text)
    assert reply.text.startswith(sample.cut(3).text)
    assert len(sample.cut(3).text) == sum(sample.lengths[:3])


async def test_a_recording_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    await recorded(path, counting(), [EGGS])
    engine = counting()
    await recorded(path, engine, [EGGS, BOXES])
    assert sum(request.n for request in engine.requests) == 4


async def test_scorers_are_asked_about_finished_samples_once(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    for _ in range(2):
        await recorded(path, counting(), [EGGS], scorers=[PTrue()])
    reads = [row for row in read_pool(path).rows if row.max_tokens == 1]
    finished = {
        sample.text
        for row in read_pool(path).rows
        for sample in row.samples
        if row.max_tokens > 1 and sample.finish == "stop"
    }
    assert sorted(row.messages[1]["content"] for row in reads) == sorted(finished)
    assert {(row.id, row.arm) for row in reads} == {("eggs", "p_true")}
    assert reads[0].samples[0].alternatives == {"True": -0.2}


async def test_an_engine_that_fails_a_scorer_ends_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    await recorded(path, counting(), [EGGS])
    with pytest.raises(BackendLost, match="gone"):
        await recorded(path, ScriptedBackend([BackendLost("gone")] * 9), [EGGS], scorers=[PTrue()])


async def test_strategies_replay_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    await record_samples(
        [EGGS],
        [SampledArm.parse("step_by_step@0.8x3")],
        RecordingBackend(counting(), path),
        concurrency=1,
        on_problem=lambda one: None,
    )
    async with Agent(PoolBackend(path), strategy="self_consistency") as agent:
        solution = await agent.asolve(EGGS.problem, max_compute_budget=2_000)
    assert len(solution.candidates) == 3


async def test_another_model_reads_every_finished_sample_once(tmp_path: Path) -> None:
    path, out = tmp_path / "pool.jsonl", tmp_path / "readings.jsonl"
    await recorded(path, counting(), [EGGS])
    pool = read_pool(path)
    reader = ScriptedReader(lambda messages: [-0.5, -0.25, -9.0])
    waiting = unread(pool, "large")
    for part in (waiting[:1], waiting[1:]):
        await record_readings(
            part, reader, out, model="large", concurrency=2, on_reading=lambda one: None
        )
    readings = read_pool(out).readings
    assert len(readings) == len(waiting) == 3
    assert {one.logprobs for one in readings} == {(-0.5, -0.25)}
    assert unread(Pool(rows=pool.rows, readings=readings), "large") == []
    assert len(unread(Pool(rows=pool.rows, readings=readings), "other")) == 3
