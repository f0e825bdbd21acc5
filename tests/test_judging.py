"""Judges are paid where their scores can matter, and what they say counts as what it is worth."""

from __future__ import annotations

import math
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import Judge, judged, judging
from virtual_time import in_virtual_time

from its_agent import Agent, Solution
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Line, Reply, ScriptedBackend
from its_agent.policy.judged_strategies import JUDGED
from its_agent.policy.strategy import SANDBOX
from its_agent.selection.confidence import vote_confidence
from its_agent.verifiers import AnswerCheck, Calibrated, HitRates

EGGS = "How many eggs are there in 3 boxes of 6?"
each_judged = pytest.mark.parametrize("strategy", [one.name for one in JUDGED])
each_asking = pytest.mark.parametrize(
    "strategy", [one.name for one in JUDGED if one.needs != SANDBOX]
)
"""Those whose judge has something to say of any answer."""


def answers(*given_answers: int) -> ScriptedBackend:
    """Samples that answer these in turns, and a judge that likes 18."""
    turns = cycle(given_answers)
    return ScriptedBackend(
        judging(lambda request, index: sample(next(turns)), lambda text: worth(text))
    )


def sample(answer: int) -> Reply:
    return Reply(text=f"So it is \\boxed{{{answer}}}.", tokens=40)


def worth(text: str) -> str:
    return "0.9" if "{18}" in text else "0.2"


async def solved(
    backend: ScriptedBackend, budget: int = 3_000, *, strategy: str, verifiers: tuple[object, ...]
) -> Solution:
    async with Agent(backend, strategy=strategy, verifiers=verifiers) as agent:  # type: ignore[arg-type]
        return await agent.asolve(EGGS, max_compute_budget=budget)


async def test_best_of_n_goes_by_the_agents_scorer() -> None:
    backend = answers(20, 20, 20, 18)
    solution = await solved(backend, strategy="best_of_n", verifiers=(Judge(),))
    assert solution.answer == "18"
    best = next(one for one in solution.candidates if one.answer == "18")
    assert best.signals["judge"] == best.signals["score"] == 0.9
    assert [step.path for step in solution.receipt.steps][-1] == "judging"
    verified = solution.receipt.by_purpose["verify"]
    assert verified.requests == len(solution.candidates) == sum(map(judged, backend.requests))
    assert solution.receipt.spent.compute <= 3_000


async def test_an_answer_that_stands_alone_is_not_judged() -> None:
    backend = answers(20)
    solution = await solved(backend, strategy="best_of_n", verifiers=(Judge(),))
    assert solution.answer == "20"
    assert not any(map(judged, backend.requests))


async def test_a_settled_vote_is_not_judged() -> None:
    backend = answers(20, 20, 20, 20, 20, 20, 20, 18)
    solution = await solved(backend, strategy="attempts", verifiers=(Judge(),))
    assert solution.receipt.stopped_because == "confident"
    assert not any(map(judged, backend.requests))


async def test_a_judge_that_says_nothing_leaves_the_choice_and_a_note() -> None:
    turns = cycle((20, 20, 18))
    backend = ScriptedBackend(judging(lambda r, i: sample(next(turns)), lambda text: "?"))
    solution = await solved(backend, strategy="best_of_n", verifiers=(Judge(),))
    assert all("score" not in one.signals for one in solution.candidates)
    assert any("judge had nothing to say" in note for note in solution.receipt.notes)
    assert solution.answer == "20"


async def test_evidence_adds_up_as_log_odds_and_can_turn_a_vote() -> None:
    """Two votes of three for 20; two witnesses with odds of 3 to 1 for 18."""
    witnesses = tuple(
        HitRates(AnswerCheck(lambda a: a == "18", name=name), passes_right=0.9, passes_wrong=0.3)
        for name in ("first", "second")
    )
    plain = await solved(answers(20, 20, 18), 220, strategy="cisc", verifiers=())
    turned = await solved(answers(20, 20, 18), 220, strategy="cisc", verifiers=witnesses)
    assert [one.answer for one in turned.candidates] == ["20", "20", "18"]
    assert (plain.answer, turned.answer) == ("20", "18")
    before = vote_confidence(votes=1, samples=3, mean_logprob=-0.2)
    logit = math.log(before / (1 - before)) + 2 * math.log(0.9 / 0.3)
    assert turned.confidence == pytest.approx(1 / (1 + math.exp(-logit)))
    assert turned.status != "verified"


async def test_a_calibrated_score_moves_the_confidence_by_its_slope() -> None:
    backend = answers(18, 20)
    scorer = Calibrated(Judge(), slope=2.0, neutral=0.4)
    solution = await solved(backend, 1_500, strategy="cisc", verifiers=(scorer,))
    assert solution.answer == "18"
    votes = sum(one.answer == "18" for one in solution.candidates)
    before = vote_confidence(votes=votes, samples=len(solution.candidates), mean_logprob=-0.2)
    logit = math.log(before / (1 - before)) + 2.0 * (0.9 - 0.4)
    assert solution.confidence == pytest.approx(1 / (1 + math.exp(-logit)))


def says_anything(request: Request, index: int) -> Line:
    """Replies that every judge can read, of changing opinions."""
    told = str(request.messages[-1]["content"])
    tilt = (len(told) + index) % 7 / 7
    if request.max_tokens == 1:
        words = {"True": tilt - 1, "False": -0.7, "A": tilt - 1, "B": -0.6, "4": -0.5, "2": -1.0}
        return Reply(text="True", tokens=1, top_logprobs=words)
    if "checklist" in told:
        return "It must count the eggs.\nBest: 1"
    if "Verdict" in told:
        return "Each step holds. Verdict: right" if index % 2 else "Verdict: wrong"
    return sample((18, 20, 21)[index % 3])


@each_judged
@settings(max_examples=20, deadline=None)
@given(budget=st.integers(60, 5_000))
def test_no_judged_strategy_exceeds_its_budget(strategy: str, budget: int) -> None:
    async def run() -> None:
        backend = ScriptedBackend(says_anything)
        async with Agent(backend, strategy=strategy) as agent:
            solution = await agent.asolve(EGGS, max_compute_budget=budget)
        receipt = solution.receipt
        assert receipt.spent.compute <= budget
        assert receipt.spent.completion_tokens == backend.generated_tokens

    in_virtual_time(run())


@each_asking
async def test_each_judged_strategy_asks_its_judge_where_answers_differ(strategy: str) -> None:
    backend = ScriptedBackend(says_anything)
    async with Agent(backend, strategy=strategy) as agent:
        solution = await agent.asolve(EGGS, max_compute_budget=12_000)
    assert "judging" in {step.path for step in solution.receipt.steps}
    assert solution.receipt.by_purpose["verify"].compute > 0
    assert any("score" in one.signals for one in solution.candidates)
