"""Calculations that a text writes down: found as people and models write them, and judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.difficulty.calculations import Calculation, calculations, numbers


def judged(text: str) -> list[tuple[float, float, bool]]:
    return [(one.value, one.stated, one.holds) for one in calculations(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 x 4 = 12", 12),
        ("So (3 + 4) * 2 = 14 apples.", 14),
        (r"\[ 0.40 \times 50 = 20 \]", 20),
        (r"\( \frac{12}{2} = 6 \)", 6),
        (r"Half: $\frac{1}{2} \cdot 30 = 15 \text{ apples}$", 15),
        (r"\(20 \div 4 = \boxed{5}\)", 5),
        ("Total = $2 × 0.25 = $0.50.", 0.5),
        ("1,200 * 3 = 3,600 eggs", 3600),
        ("20% of 50 = 10", 10),
        ("5 dozen eggs * 12 eggs/dozen = 60 eggs", 60),
        ("1 hour (set up) + 1.5 hours (editing) = 2.5 hours", 2.5),
        ("- 3 + 4 = 7", 7),
        ("2. 3 + 4 = 7", 7),
        ("x = 5 - 3 = 2", 2),
        ("f(3) = 9 + 1 = 10", 10),
        ("-2 + 5 = 3", 3),
    ],
)
def test_a_right_calculation_is_found(text: str, value: float) -> None:
    ((worked_out, stated, holds),) = judged(text)
    assert (worked_out, stated) == pytest.approx((value, value))
    assert holds


@pytest.mark.parametrize(
    ("text", "value", "stated"),
    [
        ("18 + 2 + 0.2 = 22.2", 20.2, 22.2),
        ("**Total = 3 + 4 = 8**", 7, 8),
        ("2 + 3 = 6, as we saw", 5, 6),
        ("10 / 4 = 2", 2.5, 2),
        ("1000000 + 1 = 1000000", 1_000_001, 1_000_000),
    ],
)
def test_a_wrong_calculation_is_found(text: str, value: float, stated: float) -> None:
    ((worked_out, said, holds),) = judged(text)
    assert (worked_out, said) == pytest.approx((value, stated))
    assert not holds


@pytest.mark.parametrize(
    "text",
    [
        "x - 3 + 2 = 5",
        "2x + 3 + 4 = 9",
        "2y - 4 = 6",
        "3 + 4 = 7x",
        "3 + 4 = 7 y",
        "5 + 3^2 = 14",
        r"5 + \sqrt{9} + 1 = 9",
        "3(4) = 12",
        "total = 12",
        "2 ** 3 = 8",
        "1/0 = 3",
        "there are 3 + 4 apples",
        "",
    ],
)
def test_what_is_no_plain_calculation_is_passed_over(text: str) -> None:
    assert judged(text) == []


def test_each_step_of_a_chain_is_a_calculation() -> None:
    assert judged("5 * 3 + 2 * 2 = 15 + 4 = 20") == [(19, 19, True), (19, 20, False)]


def test_a_text_has_its_calculations_in_order() -> None:
    text = "First 2 * 3 = 6.\nThen 6 + 1 = 8, and 8 / 2 = 4.\nSo 4."
    assert [one.holds for one in calculations(text)] == [True, False, True]


@pytest.mark.parametrize(
    ("value", "stated", "holds"),
    [
        (10 / 3, 3.33, True),
        (2 / 3, 0.67, True),
        (10 / 3, 3.0, False),
        (0.1 + 0.2, 0.3, True),
        (1000.0, 1001.0, False),
    ],
)
def test_fractions_may_be_rounded_and_whole_numbers_not(
    value: float, stated: float, holds: bool
) -> None:
    assert Calculation(value=value, stated=stated).holds is holds


def test_numbers_are_those_in_digits() -> None:
    assert numbers("Two of the 1,200 eggs at $0.50, 3 boxes, 3 days.") == {1200, 0.5, 3}
    assert numbers("1,2,3 and 1,2345") == {1, 2, 3, 2345}
    assert numbers("none") == frozenset()


@given(st.integers(0, 99), st.sampled_from("+-*"), st.integers(0, 99), st.integers(-3, 3))
def test_any_sum_is_judged_as_it_is(left: int, sign: str, right: int, off: int) -> None:
    value = {"+": left + right, "-": left - right, "*": left * right}[sign]
    (found,) = calculations(f"That is {left} {sign} {right} = {value + off}")
    assert found.holds is (off == 0)


@given(st.text(alphabet="0123456789.,+-*/^=()[]{}\\ \nx%$fracboxed", max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    assert all(isinstance(one.holds, bool) for one in calculations(text))
    assert all(number >= 0 for number in numbers(text))
