"""The belief, and the sources that inform it."""

from __future__ import annotations

import math

import pytest

from its_agent.difficulty import Belief, Evidence
from its_agent.difficulty.first_wave import SUCCESS_BY_AGREEMENT, read_wave
from its_agent.difficulty.self_report import read_self_report
from its_agent.difficulty.text_features import read_text


def test_a_belief_starts_uniform_and_moves_with_the_strength_of_evidence() -> None:
    weak = Belief().after(Evidence(source="a", success=1.0, strength=1))
    strong = Belief().after(Evidence(source="a", success=1.0, strength=18))
    assert Belief().success == 0.5
    assert weak.success == pytest.approx(2 / 3)
    assert strong.success == pytest.approx(19 / 20)


def test_a_belief_survives_as_plain_data() -> None:
    belief = Belief().after(Evidence(source="a", success=0.3, strength=2, compute=7))
    assert Belief.from_plain(belief.to_plain()) == belief


def test_longer_questions_look_harder() -> None:
    successes = [read_text("word " * words).success for words in (1, 10, 45, 200)]
    assert successes == sorted(successes, reverse=True)
    assert 0 < successes[-1] < successes[0] < 1


def test_agreement_is_read_off_the_measured_knots_and_between_them() -> None:
    for share, success in SUCCESS_BY_AGREEMENT:
        assert read_wave(leading=round(share * 4), samples=4).success == pytest.approx(success)
    assert read_wave(leading=3, samples=8).success == pytest.approx((0.10 + 0.32) / 2)


def test_the_self_report_compares_yes_with_no() -> None:
    top = {"Yes": math.log(0.6), " yes": math.log(0.1), "No": math.log(0.2), "The": -3.0}
    evidence = read_self_report(top, compute=101)
    assert evidence is not None
    assert evidence.success == pytest.approx(0.7 / 0.9)
    assert evidence.compute == 101


def test_a_model_that_answers_neither_yes_nor_no_gives_no_evidence() -> None:
    assert read_self_report({"The": -0.1, "Yesterday": -3.0}, compute=101) is None
