"""What a sample itself says of being right: how likely the model found it, how long it is, whether
its answer is of the kind that was asked for, and whether its calculations hold and use what the
question gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from its_agent.answers import canonical
from its_agent.difficulty.calculations import calculations, numbers
from its_agent.solution import AnswerType

NAMES = (
    "mean_logprob",
    "total_logprob",
    "relative_length",
    "unexpected_fraction",
    "not_positive",
    "no_number",
    "relative_size",
    "right_calculations",
    "wrong_calculation",
    "fractional_step",
    "unused_numbers",
)
"""In the order of the values."""
SPARE_WORDS = 20
"""Added to a question's words, so that short questions do not make every answer look long."""
LARGEST = 10**15
"""Answers are not looked at beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked at of a question."""

    words: int
    numbers: frozenset[float]
    """Those in it, in digits."""
    answer_type: AnswerType

    @classmethod
    def of(cls, question: str, answer_type: AnswerType) -> Asked:
        """Look at a question."""
        return cls(
            words=max(1, len(question.split())),
            numbers=numbers(question),
            answer_type=answer_type,
        )

    @property
    def whole(self) -> bool:
        """All numbers in it are whole."""
        return all(number.is_integer() for number in self.numbers)


def sample_features(
    asked: Asked, *, text: str, answer: str, tokens: int, mean_logprob: float
) -> tuple[float, ...]:
    """The values of NAMES; log-probabilities are natural, the total's in hundreds."""
    is_numeric = asked.answer_type in ("number", "math")
    value = _value(answer) if is_numeric else None
    made = calculations(text)
    right = sum(one.holds for one in made)
    return (
        mean_logprob,
        mean_logprob * tokens / 100,
        math.log(max(1, tokens) / (asked.words + SPARE_WORDS)),
        float(asked.whole and value is not None and value.denominator != 1),
        float(value is not None and value <= 0),
        float(is_numeric and value is None),
        0.0 if value is None else _relative_size(value, asked),
        math.log((1 + right) / (1 + len(asked.numbers))),
        float(right < len(made)),
        float(asked.whole and not all(one.stated.is_integer() for one in made)),
        float(len(asked.numbers - numbers(text))),
    )


def _value(answer: str) -> Fraction | None:
    value = canonical(answer, "math")
    return value if isinstance(value, Fraction) else None


def _relative_size(value: Fraction, asked: Asked) -> float:
    """The logarithm of the answer by the largest number of the question."""
    size = float(min(abs(value), Fraction(LARGEST)))
    largest = max(asked.numbers, default=1.0)
    return math.log((1 + size) / (1 + min(largest, LARGEST)))
