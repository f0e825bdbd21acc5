"""Confidences against outcomes: scores by hand, what chance alone shows, and the diagram."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from bench_runs import a_run
from hypothesis import given
from hypothesis import strategies as st

from its_agent.bench.calibration import claims
from its_agent.bench.reliability_chart import reliability_chart
from its_agent.difficulty.claims import (
    Bin,
    Claim,
    bins,
    brier,
    by_chance,
    calibration_error,
    constant_brier,
)

SVG = "{http://www.w3.org/2000/svg}"
CLAIMS = st.lists(
    st.builds(Claim, problem=st.text("pqr", max_size=2), confidence=st.floats(0, 1), right=...),
    min_size=1,
    max_size=20,
)


def said(confidence: float, outcomes: str, *, problem: str = "p{}") -> list[Claim]:
    return [
        Claim(problem=problem.format(place), confidence=confidence, right=mark == "+")
        for place, mark in enumerate(outcomes)
    ]


def test_scores_are_those_worked_out_by_hand() -> None:
    made = [*said(0.75, "+++-"), *said(0.2, "+-")]
    # (3 × .0625 + .5625 + .64 + .04)/6; 4 of 6 are right; the bins are off by 0 and by 2 × .3.
    assert brier(made) == pytest.approx(1.43 / 6)
    assert constant_brier(made) == pytest.approx(2 / 3 * 1 / 3)
    assert calibration_error(made) == pytest.approx(0.6 / 6)
    assert bins(made) == [
        Bin(claims=2, confidence=0.2, accuracy=0.5),
        Bin(claims=4, confidence=0.75, accuracy=0.75),
    ]


def test_the_last_bin_holds_certainty() -> None:
    assert bins([*said(1.0, "+"), *said(0.95, "-")]) == [
        Bin(claims=2, confidence=0.975, accuracy=0.5)
    ]


def test_a_run_without_an_answer_claims_nothing() -> None:
    run = a_run("p", "adaptive", 500, correct=True, confidence=0.8)
    none = run.model_copy(update={"answer": None, "correct": False})
    assert claims([run, none]) == [Claim(problem="p", confidence=0.8, right=True)]


@given(CLAIMS)
def test_no_constant_scores_better_than_the_share_of_right_ones(made: list[Claim]) -> None:
    for constant in (0.0, 0.3, 0.5, 1.0):
        same = [Claim(problem=c.problem, confidence=constant, right=c.right) for c in made]
        assert brier(same) >= constant_brier(made) - 1e-12
    assert 0 <= calibration_error(made) <= 1


def test_certain_claims_leave_nothing_to_chance() -> None:
    sure = [*said(1.0, "+" * 9), *said(0.0, "-" * 9)]
    assert by_chance(sure, simulations=50).most == 0


def test_chance_shows_less_in_more_problems() -> None:
    """By hand: the mean distance of a fair coin's share from 1/2 is near √(1/(2πn))."""
    few, many = (by_chance(said(0.5, "+" * count)) for count in (25, 400))
    assert few.mean == pytest.approx(0.0798, abs=0.006)
    assert many.mean == pytest.approx(0.0199, abs=0.002)
    assert few.mean < few.most
    assert by_chance(said(0.5, "+" * 25)) == few


def test_many_orders_of_one_problem_are_one_draw() -> None:
    """All come right or none, so the share is off by 1/2 every time."""
    assert by_chance(said(0.5, "+" * 40, problem="p")).mean == pytest.approx(0.5)


def test_the_diagram_has_a_diagonal_and_a_circle_for_each_bin() -> None:
    drawn = reliability_chart(
        {"adaptive at 800": [*said(0.2, "+-"), *said(0.8, "+++-")], "none": []}
    )
    root = ElementTree.fromstring(drawn)
    dashed = [line for line in root.iter(f"{SVG}line") if "stroke-dasharray" in line.attrib]
    assert len(dashed) == 1
    spots = [
        circle for circle in root.iter(f"{SVG}circle") if circle.find(f"{SVG}title") is not None
    ]
    assert len(spots) == 2
    assert float(spots[0].attrib["r"]) < float(spots[1].attrib["r"])
    assert float(spots[0].attrib["cy"]) > float(spots[1].attrib["cy"]), "higher is more often right"
    assert "none" not in drawn.replace('fill="none"', "")
