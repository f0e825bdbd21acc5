"""A judge's reply names one candidate, or none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.selection.checklist import best_named


@pytest.mark.parametrize(
    "reply",
    [
        "Best: 3",
        "**Best answer: [3]**",
        "**Best**: **3**",
        '{"best": 3}',
        '```json\n{"best": "3", "why": "it meets 4 of 5"}\n```',
        '{"best_answer": [3]}',
        "Best answer overall: 3",
        "Best candidate: Candidate #3 (meets 4 items)",
        "The best one is no. 3, as it is right.",
        "1. right: 1, 3\n2. short: 3\nBest = 3\n- 4 of 5 items met",
        "Best: 3. It is right.\n\nSo the best answer is 3.",
        "Second best: 2\nBest: 3",
        "Next best: 1\nThe best response is Response 3",
        "Candidate 1 is not the best. Answer 3 is clearly the best.",
        "3",
        "[3]",
        "Answer 3.",
    ],
)
def test_the_third_of_five_is_named(reply: str) -> None:
    assert best_named(reply, 5) == 2


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "All are equally good.",
        "Best: none",
        "The best answer is not 3",
        "Best: 3\nBest: 2",
        'Best: 2\n{"best": 3}',
        "Best: 3 or 4",
        "Best: [3, 4]",
        "Best: 3 and 4",
        "Best: 3/5",
        "Best: 3.5",
        "Best: -3",
        "Best: 3 out of 5",
        "Best: 30%",
        "3/5",
        "I compared 3 answers.",
        "Second best: 3",
        "Answer 2 is the best. Answer 3 is the best.",
    ],
)
def test_a_reply_that_names_nobody_or_several_or_rates_is_unknown(reply: str) -> None:
    assert best_named(reply, 40) is None


@pytest.mark.parametrize("reply", ["Best: 0", "Best: 6", "Best: 12345678901234567890", "6"])
def test_a_number_that_no_candidate_has_is_unknown(reply: str) -> None:
    assert best_named(reply, 5) is None


@given(st.text(), st.integers(0, 9))
def test_any_text_is_read_without_an_error(reply: str, count: int) -> None:
    named = best_named(reply, count)
    assert named is None or 0 <= named < count


def test_a_reply_that_repeats_itself_is_read_in_no_time() -> None:
    assert best_named("best" + " " * 50_000 + "best " * 20_000, 5) is None
