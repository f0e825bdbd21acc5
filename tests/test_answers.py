"""The final answer is found in the text, or None; equal answers have one normal form."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_agent.answers import (
    ANSWER_TYPES,
    AnswerType,
    canonical,
    extract_answer,
    infer_answer_type,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So it is \boxed{18}.", "18"),
        (r"First \boxed{3}, no: \boxed{4}.", "4"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\dfrac{3}{4}}", r"\frac{3}{4}"),
        (r"\boxed{-3.5}", "-3.5"),
        ("\\boxed{\N{MINUS SIGN}3.5}", "-3.5"),
        (r"\boxed{1.5e6}", "1.5e6"),
        (r"\boxed{$18}", "18"),
        (r"\boxed{\$18}", "18"),
        (r"\boxed{\$1{,}234.50}", "1234.50"),
        (r"\boxed{1,234}", "1234"),
        (r"\boxed{50\%}", "50%"),
        (r"\boxed{18 dollars}", "18"),
        (r"\boxed{18\text{ dollars}}", "18"),
        (r"\boxed{18 \, \text{km/h}}", "18"),
        (r"\boxed{\text{Total cost: } \$18}", "18"),
        (r"\boxed{x = 5}", "5"),
        (r"\boxed{2 + 3 = 5}", "5"),
        (r"\boxed{x^2 + 1}", "x^2 + 1"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\fbox{7}", "7"),
        (r"\boxed 7", "7"),
        (r"\boxed{18} and then an empty \boxed{}", "18"),
        (r"The answer is 18 dollars.", "18"),
        (r"The answer is 18 because 3 * 6 is 18.", "18"),
        (r"The final answer is: $\frac{1}{2}$.", r"\frac{1}{2}"),
        ("**Answer:** 18", "18"),
        ("Answer: **18**", "18"),
        ("Final answer: -$5", "-5"),
        ("3 * 6 = 18\n#### 18", "18"),
        ("#### 1,234", "1234"),
        ("He pays 3 + 4 = 7.", "7"),
        ("He has 10-3 apples", "3"),
        ("So he earns $18 per day.", "18"),
        ("It is -3.5", "-3.5"),
        ("It is \N{MINUS SIGN}3.5", "-3.5"),
        ("There are 1,234 of them.", "1234"),
        ("Half of it is 50%.", "50%"),
        ("It takes 1/2 of it.", "1/2"),
        (r"Therefore $x = \sqrt{2}$.", r"\sqrt{2}"),
        ("It is 18.\n\nI hope this helps!", "18"),
        ("**18**", "18"),
        ("4", "4"),
        ("It is 5 million.", "5 million"),
        (r"\boxed{5 \text{ million dollars}}", "5 million"),
        (r"\boxed{3 \text{ feet } 4 \text{ inches}}", "3 feet 4 inches"),
        (r"\boxed{(1, 2)}", "(1, 2)"),
        (r"\boxed{\text{Yes}}", "Yes"),
        (r"The answer is 2\sqrt{3}.", r"2\sqrt{3}"),
    ],
)
def test_a_value_is_taken_from_the_text(text: str, answer: str) -> None:
    assert extract_answer(text, "math") == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "I do not know.",
        r"so we get \boxed{12",
        r"\boxed{}",
        r"\boxed{ }",
        "1. Think\n" * 0,
    ],
)
def test_no_answer_is_none(text: str) -> None:
    assert extract_answer(text, "math") is None
    assert extract_answer(text, "number") is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (B).", "B"),
        ("The answer is B.", "B"),
        ("B", "B"),
        ("(b)", "B"),
        ("B) Paris", "B"),
        ("B. Paris is the capital, while (A) is not.", "B"),
        (r"\boxed{\text{B}}", "B"),
        (r"\boxed{\textbf{(C)}}", "C"),
        (r"\boxed{D) 12}", "D"),
        ("**Answer: C**", "C"),
        ("Answer: C because of A", "C"),
        ("It is not (A). So I choose (C)", "C"),
        ("I would go with option D", "D"),
        ("Let us think.\n\n**D**", "D"),
    ],
)
def test_a_choice_is_its_letter(text: str, letter: str) -> None:
    assert extract_answer(text, "choice") == letter


@pytest.mark.parametrize(
    "text", ["A dog has four legs", "I think so", "The answer is a dog", "It is Paris"]
)
def test_a_letter_inside_prose_is_no_choice(text: str) -> None:
    assert extract_answer(text, "choice") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Paris", "Paris"),
        ("  The capital is Paris. \n", "The capital is Paris."),
        ("Some thoughts.\nAnswer: Paris", "Paris"),
        ("Some thoughts.\n**Final answer:** Paris\n", "Paris"),
    ],
)
def test_an_open_answer_is_the_text_unless_a_line_states_it(text: str, answer: str) -> None:
    assert extract_answer(text, "text") == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"b": 1, "a": 2.0}', '{"a":2,"b":1}'),
        ('Here:\n```json\n{"b": [1, 2]}\n```\nDone.', '{"b":[1,2]}'),
        ('Here: {"a": {"b": 1}} and so on', '{"a":{"b":1}}'),
        ("[1, 2]", "[1,2]"),
        ('{"a": 1', None),
        ('{"a": NaN}', None),
        ("no object", None),
        ("[" * 100_000, None),
        ('{"a":' * 100_000, None),
    ],
)
def test_json_is_canonical_or_none(text: str, answer: str | None) -> None:
    assert extract_answer(text, "json") == answer


@pytest.mark.parametrize(
    ("problem", "answer_type"),
    [
        ("What is the capital of France?", "text"),
        ("Write 3 haikus about rain.", "text"),
        ("Write a Python function that computes x^2.", "text"),
        ("Explain how 5G works.", "text"),
        ("Who wrote Hamlet?", "text"),
        ("What is 2 + 2?", "math"),
        ("How many r are in strawberry?", "math"),
        ("Ann has 3 apples and buys 4. How many apples has she now?", "math"),
        (r"Find all $x$ with $x^2 = 4$.", "math"),
        (r"Evaluate $\log_2 8$.", "math"),
        ("Which is it?\n(A) red\n(B) blue", "choice"),
        ("Which is it?\nA) red\nB) blue", "choice"),
        ("Which is it?\nA. red\nB. blue\nC. 12", "choice"),
    ],
)
def test_the_answer_type_is_read_off_the_problem(problem: str, answer_type: str) -> None:
    assert infer_answer_type(problem) == answer_type


@pytest.mark.parametrize(
    "answer",
    [
        "1/2",
        "0.5",
        ".5",
        r"\frac{1}{2}",
        r"\dfrac12",
        "$0.50$",
        "5e-1",
        "½",
        "+0.5",
        r"5 \times 10^{-1}",
    ],
)
def test_one_half_has_one_form(answer: str) -> None:
    assert canonical(answer, "math") == Fraction(1, 2)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("75%", "75", True),
        (r"75\%", "75 percent", True),
        ("50%", "0.5", False),
        ("1,234", "1234.0", True),
        ("$18", "18 dollars", True),
        ("18.", "18", True),
        ("-3.5", "\N{MINUS SIGN}7/2", True),
        ("-3.5", "3.5", False),
        ("1 1/2", r"1\frac{1}{2}", True),
        ("1½", "1.5", True),
        ("5 million", "5000000", True),
        ("5 million", "5", False),
        ("12 hundred dollars", "1200", True),
        ("1/0", "1/0", True),
        ("1/0", "0", False),
        ("1,2", "12", False),
        ("3 feet 4 inches", "3", False),
        ("x²", "x2", False),
        ("5x", "5", False),
        (r"90^\circ", "90 degrees", True),
        (r"\left( 1, 2 \right)", "(1,2)", True),
        (r"\text{Yes}", "yes", True),
        ("x", "X", False),
    ],
)
def test_normal_forms_of_values(a: str, b: str, same: bool) -> None:
    assert (canonical(a, "math") == canonical(b, "math")) is same


def test_text_is_compared_without_case_spaces_and_outer_marks() -> None:
    assert canonical('  "The  Eiffel Tower." ', "text") == canonical("the eiffel tower", "text")
    assert canonical("...", "text") == "..."


def test_huge_numbers_cost_nothing() -> None:
    start = time.perf_counter()
    for answer in ("1e999999999", "1e-999999", "9" * 5000, "1e5000", r"7 \times 10^{99999}"):
        assert isinstance(canonical(answer, "math"), str)
    assert time.perf_counter() - start < 0.5


@given(st.text(), st.sampled_from(ANSWER_TYPES))
def test_no_text_breaks_the_extraction(text: str, answer_type: AnswerType) -> None:
    answer = extract_answer(text, answer_type)
    assert answer is None or answer.strip()
    if answer is not None:
        canonical(answer, answer_type)


@given(st.fractions(max_denominator=10_000))
def test_a_number_survives_its_box(number: Fraction) -> None:
    answer = extract_answer(rf"So it is $\boxed{{{number}}}$.", "math")
    assert answer is not None
    assert canonical(answer, "math") == number


@pytest.mark.parametrize(
    "text", ["\\boxed{" * 20_000, "answer: " * 20_000, "1," * 50_000, "{" * 50_000]
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    start = time.perf_counter()
    for answer_type in ANSWER_TYPES:
        extract_answer(text, answer_type)
    assert time.perf_counter() - start < 3


def test_importing_the_answers_does_not_import_algebra() -> None:
    code = (
        "import sys, its_agent.answers, its_agent.equality;"
        "sys.exit(any(name in sys.modules for name in ('sympy', 'math_verify', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
