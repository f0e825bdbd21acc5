"""Benchmarks of several models on a recorded pool: each strategy has those that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from toy_pool import made_up

from its_agent.backends.pool_file import read_pool
from its_agent.backends.scripted import ScriptedBackend
from its_agent.bench.problems import BenchProblem
from its_agent.bench.replay import Recorded, held_problems, replay_jobs
from its_agent.bench.run import run_jobs, schedule
from its_agent.bench.runs import Run
from its_agent.bench.seats import Seats
from its_agent.bench.variant import models_of
from its_agent.difficulty.profile import Prior, Profile, profile_of
from its_agent.errors import InvalidInput, InvalidOption

MODELS = {"small": "toy-0.5B", "large": "toy-1.5B"}
BOTH = "adaptive/small+large"


@pytest.fixture
def pool(tmp_path: Path) -> Recorded:
    """Eight problems with samples of two models."""
    path = tmp_path / "pool.jsonl"
    rows = [
        row.model_copy(update={"model": model, "problem": f"{row.id}: how many in 12?"})
        for seed, model in enumerate(MODELS.values())
        for row in made_up(8, seed=seed)
    ]
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return Recorded(files=(path,), models=MODELS)


def problems_of(pool: Recorded) -> list[BenchProblem]:
    rows = pool.backends()["small"].rows
    asked = {row.id: row.problem for row in rows}
    return [BenchProblem(id=id, problem=text, answer="7") for id, text in asked.items()]


async def replayed(
    pool: Recorded, strategies: list[str], *, folds: int = 0, profiles: Sequence[Profile] = ()
) -> list[Run]:
    made: list[Run] = []
    held = await held_problems(problems_of(pool), pool, temperature=0.8, top_p=0.95)
    await replay_jobs(
        [schedule(held, strategies=strategies, budgets=[900])],
        pool,
        earlier=(),
        command="its-agent bench …",
        on_run=made.append,
        max_tokens=512,
        temperature=0.8,
        top_p=0.95,
        folds=folds,
        profiles=profiles,
    )
    return made


async def test_a_strategy_has_the_models_that_it_names(pool: Recorded) -> None:
    made = await replayed(pool, ["single_pass", "single_pass/large", BOTH])
    assert len(made) == 8 * 3
    engines = {run.strategy: run.engine.model for run in made}
    assert engines == {"single_pass": "toy-0.5B", "single_pass/large": "toy-1.5B", BOTH: "toy-0.5B"}
    steps = [step for run in made if run.strategy == BOTH for step in run.steps]
    assert steps
    assert {step["arm"].partition("/")[0] for step in steps} <= MODELS.keys()


async def test_a_token_of_the_larger_model_costs_by_its_size(pool: Recorded) -> None:
    for run in await replayed(pool, ["single_pass", "single_pass/large"]):
        read = run.spent.prompt_tokens - run.spent.cached_prompt_tokens
        price = 3 if run.strategy == "single_pass/large" else 1
        assert run.spent.compute == price * (read + run.spent.completion_tokens)


async def test_every_model_is_met_with_a_profile_of_the_other_problems(pool: Recorded) -> None:
    fitted, shipped = await replayed(pool, [BOTH], folds=2), await replayed(pool, [BOTH])
    sure = [{run.id: run.confidence for run in made} for made in (fitted, shipped)]
    assert len(fitted) == len(shipped) == 8
    assert sure[0].keys() == sure[1].keys()
    assert sure[0] != sure[1]


def sure_of(model: str, *, prior: float = 9.0) -> Profile:
    """Of a model whose every sample is taken to be right, or wrong."""
    told = {"model": model, "prior": Prior(intercept=prior, slope=0.0)}
    return profile_of("default").model_copy(update=told)


async def test_a_profile_is_for_the_model_that_it_was_fitted_on(pool: Recorded) -> None:
    known = {name: sure_of(model) for name, model in MODELS.items()}
    assert pool.told([known["large"], known["small"]]) == known
    assert pool.told([known["large"]]) == {"large": known["large"]}
    assert pool.told([sure_of("default")]) == {"small": sure_of("default")}
    with pytest.raises(InvalidOption, match="toy-0.5B and default are profiles for one model"):
        pool.told([known["small"], sure_of("default")])

    pair = [sure_of("toy-1.5B"), sure_of("toy-0.5B", prior=0.0)]
    made = await replayed(pool, ["adaptive", "adaptive/large"], profiles=pair)
    stopped = {(run.strategy, run.stopped_because) for run in made}
    assert stopped == {("adaptive", "no_gain"), ("adaptive/large", "confident")}


async def test_greedy_samples_alone_will_do_of_a_further_model_and_not_of_the_first(
    pool: Recorded, tmp_path: Path
) -> None:
    rows = read_pool(pool.files).rows
    cold = [row for row in rows if row.model == MODELS["small"] or row.temperature == 0]
    path = tmp_path / "cold.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in cold))
    made = await replayed(Recorded(files=(path,), models=MODELS), ["adaptive/large", BOTH])
    assert len(made) == 8 * 2
    lone = [run for run in made if run.strategy == "adaptive/large"]
    assert all(run.answer is not None and len(run.candidates) == 1 for run in lone)

    turned = dict(reversed(MODELS.items()))
    with pytest.raises(InvalidInput, match="holds none of these problems"):
        await replayed(Recorded(files=(path,), models=turned), [BOTH])


async def test_a_run_that_fails_names_the_engine_that_it_was_for() -> None:
    narrow = ScriptedBackend([], model="large", context_length=20)
    models = {"small": ScriptedBackend([], model="small"), "large": narrow}
    made: list[Run] = []
    problem = BenchProblem(id="p", problem="How many eggs are in 3 boxes of 6?", answer="18")
    plan = schedule([problem], strategies=["single_pass/large"], budgets=[900])
    await run_jobs(plan, models, concurrency=1, command="…", on_run=made.append)
    assert [(run.status, run.engine.model) for run in made] == [("error", "large")]


def test_a_model_that_is_not_there_is_refused() -> None:
    seats = Seats.of({"small": ScriptedBackend([])}, None)
    assert models_of(BOTH) == ("small", "large")
    with pytest.raises(InvalidOption, match="'large'; --models names 'small'"):
        seats.taken_by(BOTH)
