"""Every template renders, uses all it is given, and says how to answer where that matters."""

from __future__ import annotations

from typing import Any

import pytest

from its_agent.prompts import ARMS, STRATEGY_ARMS, ask, ending, render, template_names
from its_agent.prompts.templates import variables

VALUES = {
    "problem": "PROBLEM",
    "ending": "ENDING",
    "answer_type": "math",
    "question": "QUESTION",
    "solution": "SOLUTION",
    "rubric": "RUBRIC",
    "first": "FIRST",
    "second": "SECOND",
    "answers": "ANSWERS",
    "count": "3",
    "check": "CHECK",
    "feedback": "FEEDBACK",
    "failed": "FAILED",
    "failed_feedback": "WHY IT FAILED",
    "left": "LEFT",
}


@pytest.mark.parametrize("name", template_names())
def test_every_template_renders_and_shows_what_it_was_given(name: str) -> None:
    needed = {key: VALUES[key] for key in variables(name)}
    text = render(name, **needed)
    assert text.strip()
    assert "{{" not in text
    assert all(value in text for key, value in needed.items() if key != "answer_type")


def test_missing_and_unknown_variables_are_errors() -> None:
    with pytest.raises(TypeError, match="takes"):
        render("plain")
    with pytest.raises(TypeError, match="takes"):
        render("plain", problem="x", ending="y")


def test_every_arm_has_its_template() -> None:
    assert set(ARMS) <= set(template_names())
    assert ARMS[-len(STRATEGY_ARMS) :] == STRATEGY_ARMS


def test_the_arms_differ() -> None:
    texts = {ask(arm, [{"role": "user", "content": "Q"}], "math")[0]["content"] for arm in ARMS}
    assert len(texts) == len(ARMS)


@pytest.mark.parametrize(
    ("answer_type", "says"),
    [
        ("math", "\\boxed{}"),
        ("number", "\\boxed{}"),
        ("choice", '"Answer: X"'),
        ("json", "JSON"),
    ],
)
def test_the_ending_says_how_to_answer(answer_type: str, says: str) -> None:
    assert says in ending(answer_type)


def test_a_solution_that_failed_is_shown_only_where_there_is_one() -> None:
    shown = {"feedback": "FEEDBACK", "failed_feedback": "WHY", "ending": "."}
    alone = render("improve_from_feedback", failed="", **shown)
    assert alone == "FEEDBACK\n\nWrite a new, complete solution without these errors."
    both = render("improve_from_feedback", failed="ANOTHER", **shown)
    assert "FEEDBACK\n\nThis solution fails too:\n\nANOTHER\n\nWHY\n\nWrite" in both


def test_free_text_is_asked_for_without_a_form() -> None:
    assert ending("text") == "."


def test_only_the_last_question_is_reworded_and_other_parts_stay() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [picture]},
    ]
    asked = ask("step_by_step", messages, "math")
    assert list(asked[:2]) == messages[:2]
    assert asked[2]["content"][0] == picture
    assert "step by step" in asked[2]["content"][1]["text"]
