"""The normal form of a final answer: an exact fraction for a plain number, else tidied text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import cast, get_args

from its_agent.solution import AnswerType

ANSWER_TYPES: tuple[AnswerType, ...] = get_args(AnswerType)

# 10^400 and 400 digits are beyond any real answer and still cheap to compare exactly.
MAX_DIGITS = 400
FUNCTIONS = frozenset({"sin", "cos", "tan", "log", "exp", "sqrt", "mod", "gcd", "max", "min"})
SCALES: Mapping[str, int] = MappingProxyType(
    {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
)

_SPACING = re.compile(r"(?<!\\)\\[,;:!> ]|\\(?:quad|qquad|displaystyle|left|right)(?![a-zA-Z])|~")
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}"
)
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_SHORT_FRACTION = re.compile(r"\\[dtc]?frac\s*(\d|\{[^{}]*\})\s*(\d|\{[^{}]*\})")
_UNIT = re.compile(
    r"(?:\s*(?:\^\\circ|\^\{\\circ\}|\\circ|°|\\degree))|(?:\s+[a-zA-Z][a-zA-Z/²³.^\-]+\.?)+"
)
_DECIMAL = r"(?:\d+(?:\.\d*)?|\.\d+)"
_POWER_OF_TEN = (
    r"(?:[eE]([+-]?\d{1,6})|\s*(?:\\times|\\cdot|×|\*|x)\s*10\s*\^\s*\{?\s*([+-]?\d{1,6})\s*\}?)"
)
_SCIENTIFIC = re.compile(rf"({_DECIMAL}){_POWER_OF_TEN}?")
_RATIO = re.compile(rf"({_DECIMAL})\s*/\s*({_DECIMAL})")
_LATEX_RATIO = re.compile(
    rf"(\d+)?\s*\\frac\{{\s*([+-]?{_DECIMAL})\s*\}}\{{\s*([+-]?{_DECIMAL})\s*\}}"
)
_MIXED = re.compile(r"(\d+)\s+(?:and\s+)?(\d+)\s*/\s*(\d+)")
_OUTER = " \t\r\n.,;:!?\"'`*_()[]“”‘’"


@lru_cache(maxsize=4096)
def canonical(answer: str, answer_type: AnswerType) -> str | Fraction:
    """The form in which equal answers are equal; 75% is 75, and 50% is not 0.5."""
    if answer_type == "choice":
        return answer.strip(_OUTER).upper()
    if answer_type == "json":
        return canonical_json(answer) or answer.strip()
    if answer_type == "text":
        return plain_text(answer)
    number = plain_number(answer)
    return plain_math(answer) if number is None else number


def plain_number(answer: str) -> Fraction | None:
    """The exact value of a plain number with its currency, percent sign or unit dropped."""
    body = _without_decoration(tidy(answer))
    head, _, scale = body.rpartition(" ")
    if scale.lower() in SCALES and head:
        value = _unsigned_or_signed(head)
        return None if value is None else value * SCALES[scale.lower()]
    return _unsigned_or_signed(body)


def tidy(answer: str) -> str:
    r"""The answer without dollar signs, `\text`, spacing commands, thousands commas."""
    text = _TEXT.sub(r" \1 ", _plain_characters(answer).replace("{,}", ","))
    text = _SPACING.sub(lambda match: "" if match[0] in (r"\!", r"\,") else " ", text)
    text = text.replace(r"\$", "").replace("$", "").replace(r"\%", "%").replace("**", "")
    text = re.sub(r"\\[()\[\]]", "", text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _SHORT_FRACTION.sub(_full_fraction, text)
    text = " ".join(text.split()).rstrip(" .,;:").strip("`")
    return text[1:-1].strip() if re.fullmatch(r"\([^(),]*\)", text) else text


def _plain_characters(answer: str) -> str:
    # NFKC alone turns x² into x2 and 1½ into 11/2.
    text = re.sub(r"[²³]", lambda match: f"^{unicodedata.digit(match[0])}", answer)
    text = re.sub(r"(?<=\d)(?=[¼½¾⅓⅔⅛])", " ", text)
    text = unicodedata.normalize("NFKC", text).replace("\N{FRACTION SLASH}", "/")
    return re.sub("[\N{MINUS SIGN}\N{EN DASH}]", "-", text)


def plain_text(answer: str) -> str:
    """Case-folded text with single spaces and no outer punctuation."""
    folded = " ".join(unicodedata.normalize("NFKC", answer).casefold().split())
    return folded.strip(_OUTER) or folded


def plain_math(answer: str) -> str:
    """An expression without spaces; words are case-folded, variables keep their case."""
    text = expression(answer)
    if is_wordy(text):
        return plain_text(text)
    return text.replace(" ", "")


def expression(answer: str) -> str:
    r"""The tidied answer without a leading `x \in`."""
    return re.sub(r"^[a-zA-Z]\s*(?:\\in|∈)\s+", "", tidy(answer))


def is_wordy(text: str) -> bool:
    """Whether the text holds a word, which algebra would read as a product of letters."""
    bare = re.sub(r"\\(?:begin|end)\{[a-z]+\}|\\[a-zA-Z]+", " ", text)
    return any(word not in FUNCTIONS for word in re.findall(r"[a-zA-Z]{3,}", bare))


def canonical_json(text: str) -> str | None:
    """The JSON text with sorted keys and no spaces; None when it is not valid JSON."""
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
        return json.dumps(whole(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def whole(value: object) -> object:
    """A JSON value with 2.0 as 2, which JSON Schema holds equal."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [whole(item) for item in cast("list[object]", value)]
    return value


def _full_fraction(match: re.Match[str]) -> str:
    above, below = (part.strip("{}") for part in match.groups())
    return rf"\frac{{{above}}}{{{below}}}"


def _without_decoration(text: str) -> str:
    text = re.sub(r"^(?:[a-zA-Z]|\\[a-z]+)\s*=\s*", "", text)
    text = re.sub(r"^([+-]?)\s*(?:USD|US|EUR|[€£¥])\s*", r"\1", text)
    text = re.sub(r"\s*(?:%|percent|[€£¥¢])$", "", text)
    unit = _UNIT.search(text)
    if unit is None or unit.end() != len(text) or unit.start() == 0:
        return text.strip()
    first, *rest = unit[0].split()
    kept = f" {first}" if first.lower() in SCALES else ""
    is_mixed = not kept and any(word.lower() in SCALES for word in rest)
    return text if is_mixed else text[: unit.start()].strip() + kept


def _unsigned_or_signed(text: str) -> Fraction | None:
    if len(text) > MAX_DIGITS:
        return None
    match = re.fullmatch(r"([+-]?)\s*(.+)", text)
    if match is None:
        return None
    value = _unsigned(match[2])
    return value if value is None or match[1] != "-" else -value


def _unsigned(text: str) -> Fraction | None:
    if match := _SCIENTIFIC.fullmatch(text):
        return _scaled(match[1], int(match[2] or match[3] or 0))
    if match := _RATIO.fullmatch(text):
        return _divided(match[1], match[2])
    if match := _LATEX_RATIO.fullmatch(text):
        value = _divided(match[2], match[3])
        return value if value is None else value + int(match[1] or 0)
    if match := _MIXED.fullmatch(text):
        value = _divided(match[2], match[3])
        return value if value is None else value + int(match[1])
    return None


def _scaled(digits: str, exponent: int) -> Fraction | None:
    if abs(exponent) > MAX_DIGITS:
        return None
    return Fraction(digits) * Fraction(10) ** exponent


def _divided(above: str, below: str) -> Fraction | None:
    return Fraction(above) / Fraction(below) if Fraction(below) else None
