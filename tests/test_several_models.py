"""Several models as arms: samples are bought of whichever brings most for its price."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from scripted_server import served

from its_agent import Agent, Solution
from its_agent.backends.priced import cost_beside, parameters
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.difficulty.answer_belief import AnswerBelief, Habits, Observation, Tally
from its_agent.difficulty.profile import Prior, Profile
from its_agent.difficulty.prospects import prospects
from its_agent.errors import BackendLost, InvalidOption, SolveFailed
from its_agent.event_lines import where
from its_agent.events import Event, Routed
from its_agent.trace.story import story
from its_agent.verifiers import AnswerCheck

QUESTION = "How many eggs are there in 3 boxes of 6?"
TOKENS = 100
THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}


def boxed(answer: object) -> Reply:
    return Reply(text=rf"So it is \boxed{{{answer}}}.", tokens=TOKENS)


def never_twice(request: Request, index: int) -> Reply:
    return boxed(index)


def always_right(request: Request, index: int) -> Reply:
    return boxed(18)


def profile(success: float) -> Profile:
    return Profile(
        model="default",
        prior=Prior(intercept=math.log(success / (1 - success)), slope=0.0),
        strength=4.0,
        spread=6.0,
        trust=0.0,
        silence=0.05,
    )


def two(large: ScriptedBackend | None = None) -> dict[str, ScriptedBackend]:
    return {
        "small": ScriptedBackend(never_twice),
        "large": large or ScriptedBackend(always_right, relative_cost=3.0),
    }


async def solved(
    models: Mapping[str, ScriptedBackend], budget: int, rights: tuple[float, float] = (0.2, 0.9)
) -> Solution:
    profiles = dict(zip(models, map(profile, rights), strict=True))
    async with Agent(models, profile=profiles, estimate=(), max_tokens=150) as agent:
        return await agent.asolve(QUESTION, max_compute_budget=budget)


async def test_the_better_model_is_asked_where_it_is_worth_its_price() -> None:
    models = two()
    solution = await solved(models, 8_000)
    assert (solution.answer, solution.candidates[0].model) == ("18", "large")
    assert solution.receipt.steps[0].arm == "large/step_by_step"
    assert models["large"].generated_tokens > 0


async def test_who_looks_at_a_solve_sees_which_model_was_asked() -> None:
    heard: list[Event] = []
    profiles = {"small": profile(0.2), "large": profile(0.9)}
    async with Agent(two(), profile=profiles, estimate=(), on_event=heard.append) as agent:
        solution = await agent.asolve(QUESTION, max_compute_budget=8_000)
    steps = [f"{step.path}/{step.arm}" for step in solution.receipt.steps]
    routes = [event for event in heard if isinstance(event, Routed) and event.path != "stop"]
    assert [where(event) for event in routes] == steps
    assert steps[0] == "single_pass/large/step_by_step"
    told = story(heard)
    assert [f"{one['path']}/{one['arm']}" for one in told["rounds"]] == steps
    assert told["candidates"][0]["model"] == "large"


async def test_the_cheap_model_is_asked_where_it_is_as_good() -> None:
    models = two()
    solution = await solved(models, 3_000, rights=(0.6, 0.6))
    assert solution.candidates[0].model == "small"
    assert solution.receipt.steps[0].arm == "small/step_by_step"


async def test_a_model_that_is_too_dear_for_the_budget_is_left_alone() -> None:
    models = two()
    solution = await solved(models, 400)
    assert {one.model for one in solution.candidates} == {"small"}
    assert models["large"].generated_tokens == 0


async def test_another_way_is_tried_once_no_affordable_model_has_more_to_say() -> None:
    models = two(ScriptedBackend(always_right, relative_cost=1_000.0))
    steps = (await solved(models, 60_000, rights=(0.3, 0.9))).receipt.steps
    assert models["large"].generated_tokens == 0
    assert "another way" in steps[-1].why


@pytest.mark.parametrize("budget", [200, 400, 900, 2_000, 8_000])
async def test_every_token_counts_at_its_models_price(budget: int) -> None:
    models = two()
    spent = (await solved(models, budget, rights=(0.3, 0.5))).receipt.spent
    small, large = models["small"], models["large"]
    assert spent.compute <= budget
    assert spent.completion_tokens == small.generated_tokens + large.generated_tokens
    tokens = {name: one.generated_tokens + one.prompt_tokens for name, one in models.items()}
    assert spent.compute <= tokens["small"] + 3 * tokens["large"]
    assert spent.compute >= small.generated_tokens + 3 * large.generated_tokens


async def test_the_receipt_names_every_model() -> None:
    engines = (await solved(two(), 2_000)).receipt.engines
    assert list(engines) == ["small", "large"]


async def test_a_model_that_dies_is_not_asked_again_and_the_others_go_on() -> None:
    models = two(ScriptedBackend(lambda request, index: BackendLost("gone"), relative_cost=3.0))
    solution = await solved(models, 8_000)
    assert solution.receipt.stopped_because != "backend_lost"
    assert {one.model for one in solution.candidates} == {"small"}
    assert any("gone" in note for note in solution.receipt.notes)
    paid = [step for step in solution.receipt.steps if step.arm.startswith("large/")]
    assert len(paid) == 1


async def test_a_model_without_room_for_the_problem_is_left_to_the_others() -> None:
    narrow = ScriptedBackend(always_right, relative_cost=3.0, context_length=20)
    solution = await solved(two(narrow), 8_000)
    assert {one.model for one in solution.candidates} == {"small"}
    assert not narrow.requests
    assert any("context 20" in note for note in solution.receipt.notes)


async def test_without_the_usual_model_a_solve_is_over() -> None:
    models = two()
    models["small"] = ScriptedBackend(lambda request, index: BackendLost("gone"))
    with pytest.raises(SolveFailed, match="gone"):
        await solved(models, 3_000, rights=(0.9, 0.9))


async def test_a_named_strategy_asks_the_usual_model_alone() -> None:
    models = two()
    async with Agent(models, strategy="self_consistency", max_tokens=150) as agent:
        solution = await agent.asolve(QUESTION, max_compute_budget=1_000)
    assert {one.model for one in solution.candidates} == {"small"}


async def test_where_a_check_knows_the_cheapest_right_sample_is_sought() -> None:
    models = two()
    profiles = {"small": profile(0.05), "large": profile(0.8)}
    checks = [AnswerCheck(lambda answer: answer == "18")]
    async with Agent(backends=models, profile=profiles, verifiers=checks, max_tokens=150) as agent:
        solution = await agent.asolve(QUESTION, max_compute_budget=6_000)
    assert (solution.status, solution.candidates[-1].model) == ("verified", "large")


async def test_a_failed_sample_speaks_against_its_model_alone() -> None:
    """Beta(4 · 0.6, 4 · 0.4): 0.6 before the first sample, 2.4 / 5 once one has failed."""
    heard: list[Event] = []
    models = {"small": ScriptedBackend(never_twice), "large": ScriptedBackend(never_twice)}
    profiles = {"small": profile(0.6), "large": profile(0.59)}
    check = AnswerCheck(lambda answer: answer == "18")
    options: dict[str, Any] = {"profile": profiles, "verifiers": [check], "estimate": ()}
    async with Agent(models, **options, on_event=heard.append) as agent:
        await agent.asolve(QUESTION, max_compute_budget=8_000)
    routes = [event for event in heard if isinstance(event, Routed)]
    small = [event.why for event in routes if event.model == "small"]
    large = [event.why for event in routes if event.model == "large"]
    assert "P(one sample right) 0.60" in small[0]
    assert "P(one sample right) 0.48" in small[1]
    assert "P(one sample right) 0.59" in large[0]


async def test_a_resumed_run_remembers_whose_samples_it_has() -> None:
    saver, profiles = InMemorySaver(), {"small": profile(0.2), "large": profile(0.9)}
    models = two()
    async with Agent(models, profile=profiles, checkpointer=saver, max_tokens=150) as agent:
        first = await agent.asolve(QUESTION, max_compute_budget=6_000, thread_id="1")
        again = await agent.aresume("1")
    assert again.candidates == first.candidates
    assert again.receipt.spent == replace(first.receipt.spent)


async def test_a_run_goes_on_with_the_models_that_it_has_asked() -> None:
    saver, profiles = InMemorySaver(), {"small": profile(0.2), "large": profile(0.9)}
    async with Agent(two(), profile=profiles, checkpointer=saver, max_tokens=150) as agent:
        await agent.asolve(QUESTION, max_compute_budget=6_000, thread_id="1")
    other = ScriptedBackend(never_twice)
    async with Agent(other, checkpointer=saver) as agent:
        with pytest.raises(InvalidOption, match="'large'.* a lone model"):
            await agent.aresume("1")


async def test_a_resumed_run_does_not_ask_a_model_that_it_has_lost() -> None:
    saver, profiles = InMemorySaver(), {"small": profile(0.2), "large": profile(0.9)}
    gone = ScriptedBackend(lambda request, index: BackendLost("gone"), relative_cost=3.0)
    options: dict[str, Any] = {"profile": profiles, "checkpointer": saver, "estimate": ()}
    async with Agent(two(gone), **options, max_tokens=150) as agent:
        first = await agent.asolve(QUESTION, max_compute_budget=6_000, thread_id="1")
        earlier = [one async for one in saver.alist(THREAD)]
        asked = len(gone.requests)
        after_first = next(
            one.config.get("configurable", {})["checkpoint_id"]
            for one in earlier
            if len(one.checkpoint["channel_values"].get("steps", ())) == 1
        )
        again = await agent.aresume("1", checkpoint_id=after_first)
    assert again.receipt.spent.compute > first.receipt.spent.compute
    assert len(gone.requests) == asked > 0


async def test_the_price_of_an_address_is_the_ratio_of_the_sizes() -> None:
    small, large = ScriptedBackend(never_twice), ScriptedBackend(always_right)
    rights = {"small": profile(0.2), "large": profile(0.9)}
    with served(small, model="a-0.5B") as one, served(large, model="a-1.5B") as other:
        addresses = {"small": one, "large": other}
        async with Agent(addresses, profile=rights, max_tokens=150) as agent:
            receipt = (await agent.asolve(QUESTION, max_compute_budget=4_000)).receipt
    assert receipt.engines["large"].model == "a-1.5B"
    spent, first = receipt.spent, receipt.steps[0].spent
    assert first.compute == 3 * (first.prompt_tokens + first.completion_tokens)
    assert spent.completion_tokens == small.generated_tokens + large.generated_tokens


async def test_an_address_whose_price_nobody_knows_is_refused_before_any_spend() -> None:
    small, large = ScriptedBackend(never_twice), ScriptedBackend(always_right)
    with served(small, model="a-0.5B") as one, served(large, model="nameless") as other:
        async with Agent({"small": one, "large": other}) as agent:
            with pytest.raises(InvalidOption, match="relative_cost"):
                await agent.asolve(QUESTION, max_compute_budget=2_000)
    assert small.generated_tokens == 0


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen2.5-Coder-0.5B-Instruct", 0.5),
        ("org/SmolLM2-135M-Instruct", 0.135),
        ("Mixtral-8x7B-v0.1", 56.0),
        ("Llama-3.1-70B", 70.0),
        ("Qwen/Qwen2.5-7B-Instruct-1M", 7.0),
        ("gpt-oss", None),
        ("v2b-model", None),
    ],
)
def test_sizes_are_read_off_names(name: str, billions: float | None) -> None:
    assert parameters(name) == billions


def test_the_cost_is_the_ratio_of_sizes() -> None:
    assert cost_beside("a-1.5B", "a-0.5B") == 3.0
    with pytest.raises(InvalidOption, match="relative_cost"):
        cost_beside("large", "a-0.5B")


@pytest.mark.parametrize("backends", [{}, {"": ScriptedBackend([])}, {3: ScriptedBackend([])}])
def test_backends_without_names_are_refused(backends: dict[str, ScriptedBackend]) -> None:
    with pytest.raises(InvalidOption, match="mapping of names"):
        Agent(backends)


def test_a_profile_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidOption, match="'huge'"):
        Agent(two(), profile={"huge": profile(0.5)})
    with pytest.raises(InvalidOption, match="not both"):
        Agent(ScriptedBackend([]), backends=two())


def joint(*seen: tuple[str, int | None], expected: float | None = None) -> AnswerBelief:
    habits = Habits(strength=2.0, spread=6.0)
    tallies = {
        "small": Tally(success=expected or 0.2, habits=habits),
        "large": Tally(success=expected or 0.8, habits=habits),
    }
    return AnswerBelief(tallies=tallies).after(
        Observation(answer=answer, model=model) for model, answer in seen
    )


def test_a_sample_counts_by_what_is_expected_of_its_model() -> None:
    assert joint(("small", 7)).posterior[7] == pytest.approx(0.2)
    assert joint(("large", 7)).posterior[7] == pytest.approx(0.8)


def test_models_that_agree_are_surer_than_either() -> None:
    """By hand where both are as good: Γ(8) / (Γ(6) · 6) = 7 for saying the same."""
    assert joint(("large", 7), ("small", 7)).posterior[7] > 0.8
    assert joint(("small", 7), ("large", 7), expected=0.5).posterior[7] == pytest.approx(7 / 8)


def test_of_two_that_differ_the_better_is_believed() -> None:
    posterior = joint(("small", 1), ("large", 2)).posterior
    assert posterior[2] > 16 * posterior[1]


def test_a_weaker_model_counts_less_beside_a_better_one_and_whole_alone() -> None:
    alone = joint(*[("small", 1)] * 4)
    assert alone.joint().shares["small"] == 1
    beside = alone.after([Observation(answer=2, model="large")])
    assert beside.joint().shares == pytest.approx({"small": 1 / 16, "large": 1})
    assert beside.joint().votes == pytest.approx({1: 1 / 4, 2: 1})
    assert beside.best[0] == 2
    assert alone.joint(asking="large").shares == beside.joint().shares


def test_little_is_expected_of_a_weaker_model_where_the_better_one_is_torn() -> None:
    """Counted whole, its samples would seem to bring .06 there."""
    torn = joint(("large", 1), ("large", 2))
    assert max(one.gain for one in prospects(torn, model="small")) < 0.01
    assert max(one.gain for one in prospects(torn, model="large")) > 0.1


def test_another_sample_of_the_better_model_brings_more() -> None:
    belief = joint(("small", 1))
    gains = {
        model: max(one.gain for one in prospects(belief, model=model))
        for model in ("small", "large")
    }
    assert gains["large"] > gains["small"]
