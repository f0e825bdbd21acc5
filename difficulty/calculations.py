"""The calculations that a text writes down, such as 3 × 4 = 12, and whether they hold."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

ROUNDING = 0.005
"""By how much, absolute or relative, a fractional result may be off: it is often rounded."""
LONGEST = 160
"""Characters of a side of an equation that are looked at."""

_NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?")

# In this order: LaTeX and signs as Python has them, then what stands between numbers and operators.
_PLAINLY: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        (r"^\s*(?:[-*•]|\d{1,2}[.)])\s+", ""),
        (r"\\[()\[\]]", " "),
        (r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"((\1)/(\2))"),
        (r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{[^{}]*\}", " "),
        (r"\\times|\\cdot|[×·∗]", "*"),
        (r"\\div|÷", "/"),
        ("[\N{MINUS SIGN}\N{EN DASH}]", "-"),
        (r"\\(?:left|right|quad|qquad)|\\[,;:! ]|\\?\$|[€£¥]|\*\*|&", " "),
        (r"\\boxed\s*\{([^{}]*)\}", r"\1"),
        (r"(?<=\d)(?:,|\{,\})(?=\d{3}(?!\d))", ""),
        (r"\\%", "%"),
        (r"\([^()\d]*\)", " "),
        (r"(?<=\d)\s*[xX]\s*(?=\d)", "*"),
        (r"(?<=[\d)%])[ \t]*(?:of|times)[ \t]+(?=[\d(])", "*"),
        (r"(?<=[\d)%])(?:[ \t]*-?[A-Za-z]{2,}+(?:/[A-Za-z]+)?\.?){1,4}[ \t]*(?=[-+*/=)])", " "),
        (r"(?<=[\d)])[ \t]*%", "/100"),
        (r"(?<![\d.])0+(?=\d)", ""),
    )
)
_SIDE = rf"[-(\d.][-+*/().\d \t]{{,{LONGEST}}}"
_CHAIN = re.compile(rf"{_SIDE}(?:=[ \t]*{_SIDE})+")
_JOINS = frozenset("-+*/^_{}\\")
_TERM_AFTER = re.compile(r"[\w^\\{]|[ \t]*[a-zA-Z](?![a-zA-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """One side of an equation worked out, and what the text says that it is."""

    value: float
    stated: float

    @property
    def holds(self) -> bool:
        """Whether they are equal, whole numbers exactly and others up to ROUNDING."""
        if self.value.is_integer() and self.stated.is_integer():
            return self.value == self.stated
        return math.isclose(self.value, self.stated, rel_tol=ROUNDING, abs_tol=ROUNDING)


def numbers(text: str) -> frozenset[float]:
    """The numbers that a text has in digits, without their signs."""
    return frozenset(float(found.replace(",", "")) for found in _NUMBER.findall(text))


@lru_cache(maxsize=1024)
def calculations(text: str) -> tuple[Calculation, ...]:
    """Those of a text in their order; equations with unknowns are passed over."""
    return tuple(
        calculation
        for line in text.splitlines()
        if "=" in line
        for calculation in _in_line(_plain(line))
    )


def _plain(line: str) -> str:
    for pattern, by in _PLAINLY:
        line = pattern.sub(by, line)
    return line


def _in_line(line: str) -> list[Calculation]:
    found: list[Calculation] = []
    for chain in _CHAIN.finditer(line):
        sides = [_worked_out(side) for side in chain[0].split("=")]
        found += [
            Calculation(value=left[0], stated=right[0])
            for left, right in pairwise(sides[_begins_late(line, chain) : _end(line, chain)])
            if left and right and left[1] + right[1]
        ]
    return found


def _begins_late(line: str, chain: re.Match[str]) -> bool:
    """Tell a first side that is only the rest of one, as there is an unknown before it."""
    before = line[: chain.start()].rstrip(" \t")
    last = before[-1:]
    if last.isalnum() or last == ")":
        return len(before) == chain.start() or chain[0][0] == "-"
    return last in _JOINS


def _end(line: str, chain: re.Match[str]) -> int | None:
    """Leave out a last side that goes on with an unknown."""
    end = chain.start() + len(chain[0].rstrip())
    return -1 if _TERM_AFTER.match(line, end) else None


def _worked_out(side: str) -> tuple[float, int] | None:
    """The value and the number of operations; None where it is no expression."""
    try:
        return _value(ast.parse(side.strip(" \t."), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError):
        return None


def _value(node: ast.expr) -> tuple[float, int]:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number), 0
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value, operations = _value(operand)
            return -value, operations
        case ast.BinOp(left=left, op=op, right=right):
            (a, before), (b, after) = _value(left), _value(right)
            return _result(a, op, b), before + after + 1
        case _:
            raise ValueError(f"{type(node).__name__} is no arithmetic")


def _result(left: float, op: ast.operator, right: float) -> float:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case _:
            raise ValueError(f"{type(op).__name__} is none of + - * /")
