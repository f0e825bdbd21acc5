"""Where a step ends, what it is worth, and on which scale that is told."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge import Judge

from its_agent import Agent, Usage
from its_agent.backends.sample import Sample
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption
from its_agent.graphs.algorithms import ALGORITHMS
from its_agent.graphs.scales import RANGES, Scale, fits, rescaled
from its_agent.graphs.step_scores import ByFunction, ByScorer, step_score_of
from its_agent.graphs.steps import PARAGRAPHS, SENTENCES, Steps, is_complete, steps_named, text_of
from its_agent.solution import Finish

FORMS: tuple[tuple[Scale, float], ...] = (
    ("probability", 0.8),
    ("log_probability", math.log(0.8)),
    ("odds", 4.0),
    ("log_odds", math.log(4.0)),
)


def step(text: str, finish: Finish = "stop") -> Sample:
    return Sample(text=text, finish=finish, usage=Usage(), logprobs=(), first_top_logprobs={})


# Where a step ends


def test_a_text_is_complete_where_the_model_ended_it_and_no_stop_string_did() -> None:
    assert is_complete(step("So it is 18."), PARAGRAPHS.stop)
    assert not is_complete(step("So it is 18.\n\n"), PARAGRAPHS.stop)
    assert not is_complete(step("So it is 18. "), SENTENCES.stop)
    assert not is_complete(step("So it is", "length"), PARAGRAPHS.stop)
    assert not is_complete(step("So it is", "length"), Steps(tokens=3).stop)
    assert is_complete(step("So it is 18."), Steps(tokens=8).stop)


def test_a_text_that_runs_to_its_end_may_end_with_anything() -> None:
    assert is_complete(step("So it is 18.\n\n"), ())


def test_the_space_that_ended_a_sentence_is_left_to_the_next_word() -> None:
    assert text_of(step("It is 3. "), SENTENCES.stop) == "It is 3."
    assert text_of(step("It is 3.\n\n"), SENTENCES.stop) == "It is 3.\n\n"
    assert text_of(step("    return ", "length"), Steps(tokens=2).stop) == "    return "


def test_a_decimal_point_ends_no_sentence() -> None:
    assert not any(stop in "It is 3.5 and 4,000" for stop in SENTENCES.stop)


@pytest.mark.parametrize(
    "options",
    [{}, {"stop": ("",)}, {"stop": (" ",)}, {"stop": "\n"}, {"tokens": 0}, {"tokens": 2.5}],
)
def test_steps_that_never_end_or_never_begin_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        Steps(**options)


def test_steps_are_found_by_name() -> None:
    assert steps_named("sentence") is SENTENCES
    own = Steps(stop=("Step ",), tokens=64)
    assert steps_named(own) is own
    with pytest.raises(InvalidOption, match="known: paragraph, sentence"):
        steps_named("line")


# What a step is worth


async def explained(problem: str, partial: str) -> float:
    return 0.5


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("reward", "known: logprob, self_certainty"),
        (3, "give one of logprob"),
        (Judge, "give a scorer"),
        (explained, "not async"),
        (Judge(compares=True), "scored together"),
    ],
)
def test_a_step_score_that_cannot_be_used_is_refused(asked: Any, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        Agent(ScriptedBackend([Reply(text="18")]), step_score=asked)


def test_an_agent_refuses_unknown_steps() -> None:
    with pytest.raises(InvalidOption, match="unknown steps 'line'"):
        Agent(ScriptedBackend([Reply(text="18")]), steps="line")


def test_scorers_and_functions_become_step_scores_of_their_name() -> None:
    def length(problem: str, partial: str) -> float:
        return float(len(partial))

    assert step_score_of(Judge()) == ByScorer(scorer=Judge())
    assert step_score_of(length).name == "length"
    own = ByFunction(function=length, scale="odds")
    assert step_score_of(own) is own


# On which scale


@pytest.mark.parametrize(("read", "number"), FORMS)
@pytest.mark.parametrize(("told", "same"), FORMS)
def test_one_probability_has_four_forms(
    read: Scale, number: float, told: Scale, same: float
) -> None:
    assert rescaled(number, read=read, told=told) == pytest.approx(same)


@given(
    read=st.sampled_from(sorted(RANGES)),
    told=st.sampled_from(sorted(RANGES)),
    numbers=st.lists(st.floats(-900, 900), min_size=2, max_size=2),
)
def test_what_fits_a_scale_is_told_as_a_number_that_fits_the_other_in_the_same_order(
    read: Scale, told: Scale, numbers: list[float]
) -> None:
    low, high = sorted(number for number in numbers) if numbers else (0.0, 0.0)
    if not (fits(low, read) and fits(high, read)):
        return
    low_told, high_told = (rescaled(n, read=read, told=told) for n in (low, high))
    assert fits(low_told, told)
    assert fits(high_told, told)
    assert low_told <= high_told


def test_certainty_is_told_as_a_number_and_not_as_infinity() -> None:
    assert rescaled(1.0, read="probability", told="log_odds") == pytest.approx(20.72, abs=0.01)
    assert rescaled(0.0, read="probability", told="log_probability") == pytest.approx(
        -20.72, abs=0.01
    )


def test_nothing_is_a_probability_but_a_number_from_0_to_1() -> None:
    assert not any(fits(number, "probability") for number in (-0.1, 1.1, math.nan, math.inf))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_log_probabilities_are_told_as_they_are(name: str) -> None:
    assert ALGORITHMS[name].told("log_probability") == "log_probability"
    assert ALGORITHMS[name].search_by("log_probability") is ALGORITHMS[name].search


def test_every_algorithm_is_told_probabilities_as_its_paper_has_them() -> None:
    told = {name: algorithm.told("probability") for name, algorithm in ALGORITHMS.items()}
    assert told == {
        "beam": "probability",
        "a_star": "log_probability",
        "dvts": "probability",
        "rebase": "probability",
        "particle_filter": "log_odds",
        "entropic_particle_filter": "log_odds",
        "mcts": "probability",
        "ab_mcts": "probability",
    }
