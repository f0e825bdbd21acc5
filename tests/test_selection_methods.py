"""The field's selection rules, against numbers worked out by hand or by another library."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from its_agent import Agent, Candidate, Usage
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.backends.token_confidence import token_confidence
from its_agent.errors import InvalidOption
from its_agent.selection import rules
from its_agent.selection.deepconf import deepconf_weights, trace_confidence
from its_agent.selection.minimum_bayes_risk import expected_utilities, word_overlap
from its_agent.selection.perplexity_consistency import fit, fit_one, path_weights, pruned
from its_agent.selection.self_certainty import borda_weights

# scipy has no types; through import_module it is Any to the type checkers.
scipy_stats: Any = importlib.import_module("scipy.stats")

SURE = [0.9, 0.88, 0.91, 0.89, 0.92, 0.87, 0.9, 0.93, 0.86, 0.9]
UNSURE = [0.4, 0.42, 0.38, 0.41, 0.39, 0.4]
EGGS = "How many eggs are there in 3 boxes of 6?"


# Perplexity consistency with reasoning pruning


def test_a_weibull_law_is_fitted_as_scipy_fits_it() -> None:
    values = [
        float(x) for x in scipy_stats.weibull_min.rvs(3.0, scale=0.6, size=200, random_state=1)
    ]
    shape, _, scale = scipy_stats.weibull_min.fit(values, floc=0)
    law = fit_one(values, [1.0] * len(values))
    assert law is not None
    assert law.shape == pytest.approx(shape, rel=1e-3)
    assert law.scale == pytest.approx(scale, rel=1e-3)
    density = scipy_stats.weibull_min.logpdf(0.5, shape, scale=scale)
    assert law.log_density(0.5) == pytest.approx(density, rel=1e-3)
    assert law.mean == pytest.approx(scipy_stats.weibull_min.mean(shape, scale=scale), rel=1e-3)


def test_two_kinds_of_paths_are_told_apart_and_the_unlikely_kind_is_pruned() -> None:
    mixture = fit([*SURE, *UNSURE])
    assert sorted([mixture.share, 1 - mixture.share]) == pytest.approx([0.375, 0.625], abs=0.01)
    assert pruned([*SURE, *UNSURE]) == [True] * 10 + [False] * 6


def test_few_paths_and_equal_ones_are_not_pruned() -> None:
    assert pruned([*SURE[:9], *UNSURE]) == [True] * 15
    assert pruned([0.5] * 20) == [True] * 20


def test_a_path_votes_with_its_probability_and_only_once() -> None:
    weights = path_weights(["a", "b", "a", "c"], [math.log(0.5), math.log(0.25), -0.1, None])
    assert weights == pytest.approx([0.5, 0.25, 0.0, 0.0])
    assert path_weights(["a", "a"], [None, None]) == [1.0, 1.0]


@settings(deadline=None)
@given(st.lists(st.floats(min_value=1e-6, max_value=1.0), min_size=16, max_size=40))
def test_the_most_probable_path_is_never_pruned(values: list[float]) -> None:
    assert pruned(values)[values.index(max(values))]


# Self-certainty and DeepConf


def test_a_token_s_confidence_is_minus_the_mean_over_its_alternatives() -> None:
    assert token_confidence([-0.1, -2.3, -4.6]) == pytest.approx(7.0 / 3)
    with pytest.raises(InvalidOption, match="at least two"):
        token_confidence([-0.1])


def test_borda_votes_are_powers_of_the_rank_from_below() -> None:
    assert borda_weights([0.2, 0.9, None, 0.5], power=2) == [1.0, 9.0, 0.0, 4.0]
    assert borda_weights([0.2, 0.9], power=0.5) == pytest.approx([1.0, math.sqrt(2)])
    assert borda_weights([0.5, 0.5]) == pytest.approx([math.sqrt(2)] * 2)
    assert borda_weights([None, None]) == [1.0, 1.0]


def test_the_parts_of_a_trace_are_judged_by_sliding_windows() -> None:
    tokens = [4.0, 2.0, 6.0, 8.0]
    told = trace_confidence(tokens, window=2)
    assert told == {"mean": 5.0, "tail": 7.0, "lowest_group": 3.0, "bottom_groups": 3.0}
    assert trace_confidence(tokens) == dict.fromkeys(told, 5.0)
    assert trace_confidence([]) == {}


def test_the_bottom_tenth_of_the_groups_is_averaged() -> None:
    tokens = [float(number) for number in range(20)]
    assert trace_confidence(tokens, window=1)["bottom_groups"] == 0.5


def test_the_least_sure_traces_do_not_vote() -> None:
    scores = [5.0, 1.0, 3.0, None, 4.0]
    assert deepconf_weights(scores, kept=0.5) == [5.0, 0.0, 0.0, 0.0, 4.0]
    assert deepconf_weights(scores, kept=0.75) == [5.0, 0.0, 3.0, 0.0, 4.0]
    assert deepconf_weights(scores, kept=0.01) == [5.0, 0.0, 0.0, 0.0, 0.0]
    with pytest.raises(InvalidOption, match="kept share"):
        deepconf_weights(scores, kept=0)


# Minimum bayes risk


def test_texts_are_as_alike_as_the_words_they_share() -> None:
    assert word_overlap("The cat sat", "the CAT ran off") == pytest.approx(4 / 7)
    assert word_overlap("a a b", "a b b") == pytest.approx(4 / 6)
    assert (word_overlap("", ""), word_overlap("", "a")) == (1.0, 0.0)


def test_the_expected_utility_is_the_mean_over_the_others() -> None:
    told = expected_utilities(["a b", "a b", "a c"])
    assert told == pytest.approx([0.75, 0.75, 0.5])
    assert expected_utilities(["alone"]) == [0.0]
    assert expected_utilities(["x", "yy"], lambda one, other: len(one) - len(other)) == [-1, 1]


async def test_the_text_most_like_the_others_is_chosen_and_the_greedy_one_is_among_them() -> None:
    texts = iter(["Rain is likely.", "Rain is most likely today.", "Rain is likely today.", "No."])
    backend = ScriptedBackend(lambda r, i: Reply(text=next(texts), tokens=60))
    async with Agent(backend, strategy="mbr", max_tokens=64) as agent:
        solution = await agent.asolve("Write a forecast.", max_compute_budget=310)
    assert len(solution.candidates) == 4
    assert sum(c.strategy.endswith("@0") for c in solution.candidates) == 1
    assert solution.text == "Rain is likely today."


# The rules over candidates


def candidate(
    place: int, answer: str | None, logprob: float | None, confidence: float | None
) -> Candidate:
    signals = {} if confidence is None else {"mean": confidence, "bottom_groups": confidence}
    return Candidate(
        id=f"c{place}",
        text=f"Path {place}: {answer}",
        answer=answer,
        path="attempts",
        strategy="step_by_step@0.8",
        finish="stop",
        usage=Usage(),
        mean_logprob=logprob,
        signals=signals,
    )


ANSWERS = ("7", "7", "7", "8", "8", "9", None)
LOGPROBS = (-1.2, -1.1, -1.3, -0.3, -0.4, -0.05, -0.01)
CONFIDENCES = (1.0, 1.1, 1.2, 5.0, 6.0, 4.0, 9.0)


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (rules.majority, "7"),
        (rules.weighted_vote, "9"),
        (rules.perplexity_consistency, "8"),
        (rules.best_score, "9"),
        (rules.best_of_majority, "8"),
        (rules.self_certainty, "8"),
        (rules.borda, "8"),
        (rules.deepconf, "8"),
        (rules.latest, "9"),
    ],
)
def test_every_rule_chooses_by_its_own_evidence(rule: rules.Rule, answer: str) -> None:
    candidates = [
        candidate(*row) for row in zip(range(7), ANSWERS, LOGPROBS, CONFIDENCES, strict=True)
    ]
    known = list(dict.fromkeys(a for a in ANSWERS if a is not None))
    clusters = [None if a is None else known.index(a) for a in ANSWERS]
    chosen = rule(candidates, clusters).chosen
    assert chosen is not None
    assert candidates[chosen].answer == answer


ALL_RULES = (
    rules.majority,
    rules.weighted_vote,
    rules.perplexity_consistency,
    rules.best_score,
    rules.best_of_majority,
    rules.self_certainty,
    rules.borda,
    rules.deepconf,
    rules.minimum_bayes_risk,
    rules.latest,
)


@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from("789"),
            st.none() | st.floats(min_value=-5, max_value=0),
            st.none() | st.floats(min_value=0, max_value=20),
        ),
        max_size=20,
    ),
    st.sampled_from(ALL_RULES),
)
def test_whoever_has_an_answer_can_be_chosen_and_nobody_else(
    rows: list[tuple[str | None, float | None, float | None]], rule: rules.Rule
) -> None:
    candidates = [candidate(place, *row) for place, row in enumerate(rows)]
    clusters = [None if c.answer is None else "789".index(c.answer) for c in candidates]
    choice = rule(candidates, clusters)
    if any(cluster is not None for cluster in clusters):
        assert choice.chosen is not None
        assert clusters[choice.chosen] is not None
    else:
        assert choice.chosen is None


# By name


def seven_or_nine(request: Request, index: int) -> Reply:
    """Six of eight samples say 7, with little certainty; two say 9, with much."""
    sure = index % 4 == 3
    return Reply(
        text=f"So it is \\boxed{{{9 if sure else 7}}}.",
        tokens=40,
        logprob=-0.05 if sure else -1.5,
        top_logprobs={"a": -0.05, "b": -9.0} if sure else {"a": -1.5, "b": -1.6},
    )


@pytest.mark.parametrize(
    ("strategy", "answer"),
    [
        ("self_consistency", "7"),
        ("cisc", "9"),
        ("rpc", "9"),
        ("best_of_n", "9"),
        ("best_of_majority", "9"),
        ("self_certainty", "9"),
        ("borda", "7"),
        ("deepconf", "7"),
    ],
)
async def test_every_selection_runs_by_name(strategy: str, answer: str) -> None:
    backend = ScriptedBackend(seven_or_nine)
    async with Agent(backend, strategy=strategy, max_tokens=64) as agent:
        solution = await agent.asolve(EGGS, max_compute_budget=600)
    assert len(solution.candidates) >= 8
    assert solution.answer == answer
    assert solution.receipt.spent.compute <= 600


async def test_esc_ends_with_the_first_unanimous_window_of_five() -> None:
    answers = iter([*"77787", *"77777", *"88888"])
    backend = ScriptedBackend(lambda r, i: Reply(text=f"\\boxed{{{next(answers)}}}", tokens=20))
    async with Agent(backend, strategy="esc") as agent:
        solution = await agent.asolve(EGGS, max_compute_budget=50_000)
    assert (solution.answer, len(solution.candidates)) == ("7", 10)
    assert solution.receipt.stopped_because == "confident"
