"""Reads and works out an arithmetic expression exactly; nothing in it is ever executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

MAX_CHARACTERS = 300
_SIGNS: Mapping[str, str] = MappingProxyType(
    {
        r"\times": "*",
        r"\cdot": "*",
        r"\div": "/",
        r"\left": "",
        r"\right": "",
        "×": "*",
        "·": "*",
        "÷": "/",
        "−": "-",
        "–": "-",
        "$": "",
        r"\(": "",
        r"\)": "",
        r"\[": "",
        r"\]": "",
        "{": "(",
        "}": ")",
        "[": "(",
        "]": ")",
    }
)
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SIGN = re.compile("|".join(f"{re.escape(sign)}(?![a-zA-Z])" for sign in _SIGNS))
_ALLOWED = re.compile(r"[0-9\s+\-*/()]+")
_LETTER_X = re.compile(r"(?<=[\d)])\s*[xX]\s*(?=[\d(])")
Operator = Callable[[Fraction, Fraction], Fraction]
_OPERATORS: Mapping[type[ast.operator], Operator] = MappingProxyType(
    {
        ast.Add: Fraction.__add__,
        ast.Sub: Fraction.__sub__,
        ast.Mult: Fraction.__mul__,
        ast.Div: Fraction.__truediv__,
    }
)


class NotArithmetic(ValueError):
    """The text is more, or less, than whole numbers, + - * / and parentheses; or it divides by 0.
    The message says so, as something that is told of the expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """An expression that was worked out."""

    value: Fraction
    numbers: tuple[int, ...]
    """The whole numbers in it, as they stand."""


def work_out(text: str) -> Worked:
    r"""Read one side of an equation, in plain signs or those of LaTeX (\times, \cdot, \div, and
    \frac of plain numbers). Raises NotArithmetic."""
    if len(text) > MAX_CHARACTERS:
        raise NotArithmetic(f"has more than {MAX_CHARACTERS} characters")
    numbers: list[int] = []
    plain = in_plain_signs(text).strip()
    if not _ALLOWED.fullmatch(plain):
        raise NotArithmetic("is not + - * / of whole numbers")
    try:
        tree = ast.parse(plain, mode="eval")
        value = _value(tree.body, numbers)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise NotArithmetic("is not an arithmetic expression") from error
    return Worked(value=value, numbers=tuple(numbers))


def in_plain_signs(text: str) -> str:
    """The expression as Python writes it."""
    while (inner := _FRACTION.search(text)) is not None:
        text = f"{text[: inner.start()]}(({inner[1]})/({inner[2]})){text[inner.end() :]}"
    return _LETTER_X.sub("*", _SIGN.sub(lambda sign: _SIGNS[sign[0]], text))


def _value(node: ast.expr, numbers: list[int]) -> Fraction:
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            numbers.append(number)
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, numbers)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _combined(type(op), _value(left, numbers), _value(right, numbers))
        case _:
            raise NotArithmetic(f"holds {_shown(node)}, which is not + - * / of whole numbers")


def _combined(kind: type[ast.operator], left: Fraction, right: Fraction) -> Fraction:
    if kind is ast.Div and not right:
        raise NotArithmetic("divides by 0")
    return _OPERATORS[kind](left, right)


def _shown(node: ast.expr) -> str:
    text = ast.unparse(node)
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
