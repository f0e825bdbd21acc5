"""What a pool's samples allow: pass@k, the clairvoyant stop, and stopping at random."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.backends.pool import PoolBackend
from its_agent.backends.pool_file import DEFAULT_INSTRUCTION
from its_agent.backends.protocol import Delta, Request
from its_agent.bench.curve import Point
from its_agent.bench.pool_bounds import (
    PASS_AT,
    Drawn,
    PoolProblem,
    clairvoyant,
    coverage,
    random_stop,
    votes,
)
from its_agent.bench.pool_samples import graded_pool


def problem(answers: str, *, name: str = "p", prompt: int = 20) -> PoolProblem:
    """Samples of 10 tokens; the answer "a" is right, "." is none."""
    samples = tuple(
        Drawn(answer=None if mark == "." else mark, right=mark == "a", tokens=10)
        for mark in answers
    )
    return PoolProblem(id=name, prompt_tokens=prompt, samples=samples)


PROBLEMS = st.lists(st.text("abc.", min_size=6, max_size=6).map(problem), min_size=1, max_size=5)


def test_the_clairvoyant_stops_when_the_leader_is_first_the_final_one() -> None:
    """By hand: b, then a tie that the earlier b leads, then a for good."""
    assert problem("baaab").foreseen == 3
    assert problem("aab").foreseen == 1
    assert problem("..b").foreseen == 3
    assert problem("...").foreseen == 1, "one sample is drawn even where none will help"
    seen = clairvoyant([problem("baaab"), problem("aabbb", prompt=30)])
    # 20 + 3 × 10 and right; a leads until the fifth sample, 30 + 5 × 10, and b is wrong.
    assert seen == Point(compute=65, accuracy=0.5)


def test_of_equal_votes_the_earliest_leads() -> None:
    assert problem("ab").voted(2)
    assert not problem("ba").voted(2)
    assert not problem("..").voted(2)


@given(PROBLEMS)
def test_the_clairvoyant_has_the_answers_of_all_samples_for_no_more(
    problems: list[PoolProblem],
) -> None:
    seen, whole = clairvoyant(problems), votes(problems)[-1]
    assert seen.accuracy == whole.accuracy
    assert seen.compute <= whole.compute


def test_votes_stand_where_the_plurality_is_after_each_sample() -> None:
    seen = votes([problem("baa"), problem("aab")])
    assert seen == [
        Point(compute=30, accuracy=0.5),
        Point(compute=40, accuracy=0.5),
        Point(compute=50, accuracy=1.0),
    ]


STEPS = [Point(compute=100 * n, accuracy=0.4 * (n - 1)) for n in (1, 2, 3)]


def test_stopping_at_random_is_the_expectation_over_a_cut_off_geometric_count() -> None:
    """By hand: at a chance of 1/2 the counts 1, 2, 3 have 1/2, 1/4, 1/4, so 175 and .3."""
    stopped = random_stop(STEPS, 175)
    assert stopped is not None
    assert stopped.compute == pytest.approx(175)
    assert stopped.accuracy == pytest.approx(0.3)


def test_stopping_at_random_cannot_cost_less_than_a_sample_or_more_than_all() -> None:
    assert random_stop(STEPS, 99) is None
    assert random_stop(STEPS, 301) is None
    first, last = random_stop(STEPS, 100), random_stop(STEPS, 300)
    assert first is not None
    assert last is not None
    assert (first.accuracy, last.accuracy) == pytest.approx((0, 0.8))


@given(PROBLEMS, st.floats(0, 1))
def test_stopping_at_random_costs_what_it_is_to_cost(
    problems: list[PoolProblem], share: float
) -> None:
    steps = votes(problems)
    wanted = steps[0].compute + share * (steps[-1].compute - steps[0].compute)
    stopped = random_stop(steps, wanted)
    assert stopped is not None
    assert stopped.compute == pytest.approx(wanted)
    accuracies = [step.accuracy for step in steps]
    assert min(accuracies) - 1e-9 <= stopped.accuracy <= max(accuracies) + 1e-9


def test_coverage_stands_beside_strategies_with_k_for_its_budget() -> None:
    """By hand: 1 of 4 right, so pass@2 is 1 − 3/6; two average samples cost 20 + 20."""
    told = coverage([problem("abbb"), problem("bbbb")], (1, 2))
    assert told[PASS_AT, 1].accuracy == (0.25, 0)
    assert told[PASS_AT, 2].accuracy == (0.5, 0)
    assert told[PASS_AT, 2].compute == (40, 40)


# A pool's file


def row(**fields: object) -> str:
    texts = [rf"It is \boxed{{{n}}}." for n in range(8)]
    samples = [{"text": t, "finish": "stop", "tokens": 4, "logprobs": [-0.1] * 4} for t in texts]
    samples[7]["finish"] = "length"
    plain = {"id": "p1", "problem": "How many is 4 + 0?", "answer": "4.0", "prompt_tokens": 30}
    return json.dumps({**plain, "samples": samples, **fields}) + "\n"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool.jsonl"
    few = [{"text": "4", "finish": "stop", "tokens": 1, "logprobs": [-0.1]}]
    path.write_text(row() + row(temperature=0.0, samples=few) + row(id="p2", prompt="another"))
    return path


def test_a_pool_is_graded_sample_by_sample(pool: Path) -> None:
    (one,) = graded_pool(pool, {"p1"})
    assert (one.id, one.prompt_tokens, len(one.samples)) == ("p1", 30, 8)
    assert [sample.right for sample in one.samples] == [n == 4 for n in range(8)]
    assert one.samples[3] == Drawn(answer=Fraction(3), right=False, tokens=4)
    assert one.samples[7].answer is None, "it was cut off"


async def test_bounds_meet_the_samples_in_the_order_that_the_pool_serves(pool: Path) -> None:
    (one,) = graded_pool(pool, {"p1"})
    prompt = "How many is 4 + 0?" + DEFAULT_INSTRUCTION
    request = Request(messages=({"role": "user", "content": prompt},), max_tokens=512, n=8)
    for order in range(3):
        served = [
            item.text
            async for item in PoolBackend(pool, seed=order).stream(request)
            if isinstance(item, Delta)
        ]
        right = [text == r"It is \boxed{4}." for text in served]
        assert [sample.right for sample in one.in_order(order).samples] == right
    assert one.in_order(0) != one.in_order(1)
    assert replace(one.in_order(1), samples=()) == replace(one, samples=())
