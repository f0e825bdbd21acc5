"""What a sample itself says of being right: how likely the model found it, how long it is, and
whether its answer is of the kind that was asked for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from its_agent.answers import canonical
from its_agent.solution import AnswerType

NAMES = (
    "mean_logprob",
    "total_logprob",
    "relative_length",
    "unexpected_fraction",
    "not_positive",
)
"""In the order of the values."""
SPARE_WORDS = 20
"""Added to a question's words, so that short questions do not make every answer look long."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked at of a question."""

    words: int
    whole: bool
    """All numbers in it are whole."""
    answer_type: AnswerType

    @classmethod
    def of(cls, question: str, answer_type: AnswerType) -> Asked:
        """Look at a question."""
        numbers = _NUMBER.findall(question.replace(",", ""))
        return cls(
            words=max(1, len(question.split())),
            whole=all(float(number).is_integer() for number in numbers),
            answer_type=answer_type,
        )


def sample_features(
    asked: Asked, *, answer: str, tokens: int, mean_logprob: float
) -> tuple[float, ...]:
    """The values of NAMES; log-probabilities are natural, the total's in hundreds."""
    value = _value(answer, asked.answer_type)
    unexpected = asked.whole and value is not None and value.denominator != 1
    return (
        mean_logprob,
        mean_logprob * tokens / 100,
        math.log(max(1, tokens) / (asked.words + SPARE_WORDS)),
        float(unexpected),
        float(value is not None and value <= 0),
    )


def _value(answer: str, answer_type: AnswerType) -> Fraction | None:
    if answer_type not in ("number", "math"):
        return None
    value = canonical(answer, "math")
    return value if isinstance(value, Fraction) else None
