"""The process that does algebra with math-verify and SymPy; its owner kills it on time.

Run as a script, never imported: it must start without the package, so that it starts fast.
Each line of standard input holds {"a", "b", "seconds"}, answered with {"same"}; or {"equation",
"unknown", "value", "seconds"}, answered with {"solves", "value", "difference"}.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import sys
from typing import IO, Any

# The libraries have no types; through import_module they are Any to the type checkers.
math_verify: Any = importlib.import_module("math_verify")
sympy: Any = importlib.import_module("sympy")

MEMORY_BYTES = 2 * 1024**3
_SHOWN = 60


def same(a: str, b: str) -> bool:
    """Whether math-verify finds the two LaTeX expressions equal in both directions."""
    first, second = _parsed(a), _parsed(b)
    return bool(
        first
        and second
        and math_verify.verify(first, second, timeout_seconds=None)
        and math_verify.verify(second, first, timeout_seconds=None)
    )


def solves(equation: str, unknown: str, value: str) -> dict[str, Any]:
    """Whether every value that the LaTeX names makes both sides equal: True, False, None where
    SymPy cannot tell; "unreadable" for an equation that it cannot read."""
    sides = [_expression(side) for side in equation.split("=")]
    symbol = _expression(unknown)
    if None in sides or not isinstance(symbol, sympy.Symbol):
        return {"solves": "unreadable"}
    found: dict[str, Any] = {"solves": None}
    for claimed in _claimed(value, symbol):
        difference = _with_i((sides[0] - sides[1]).subs(symbol, claimed), symbol)
        found = {"solves": _is_zero(difference), "value": str(claimed)[:_SHOWN]}
        if not found["solves"]:
            return found | {"difference": str(sympy.N(difference, 6))[:_SHOWN]}
    return found


def _is_zero(difference: Any) -> bool | None:
    if difference.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
        return False
    is_zero: bool | None = difference.equals(0)
    return is_zero


def _claimed(latex: str, symbol: Any) -> list[Any]:
    """The values in a text such as `3`, `x = 3`, `1, 2` or `x = 1 or x = 2`; none of the unknown's
    own."""
    found: list[Any] = []
    for part in re.split(r",|\\\{|\\\}", latex):
        name, _, said = part.rpartition("=")
        value = _expression(said)
        if not said.strip():
            continue
        if value is None or value.has(symbol) or (name and _expression(name) != symbol):
            return []
        found.append(value)
    return found


def _expression(latex: str) -> Any:
    """One expression with exact numbers, or None."""
    parsed = _parsed(latex)
    if not parsed or not isinstance(parsed[0], sympy.Expr):
        return None
    return sympy.nsimplify(parsed[0], rational=True)


def _with_i(expression: Any, unknown: Any) -> Any:
    """Read the letter i as the imaginary unit, unless it is the unknown."""
    letters = [s for s in expression.free_symbols - {unknown} if s.name == "i"]
    return expression.subs({letter: sympy.I for letter in letters})


def _parsed(latex: str) -> Any:
    config = math_verify.LatexExtractionConfig()
    return math_verify.parse(f"${latex}$", [config], parsing_timeout=None)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    if "equation" in asked:
        return solves(asked["equation"], asked["unknown"], asked["value"])
    return {"same": same(asked["a"], asked["b"])}


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))


def _limit_time(seconds: float) -> None:
    # An owner that was killed cannot kill its worker; the alarm's default action does.
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _private_stdout() -> IO[str]:
    """Standard output for replies alone; whatever else prints goes nowhere."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return replies


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = _private_stdout()
    _limit_memory()
    # The first comparison builds the parser's tables, which is nobody's 2 s.
    same("x^2+2x+1", "(x+1)^2")
    print("ready", file=replies)
    for line in sys.stdin:
        asked = json.loads(line)
        _limit_time(2 * asked["seconds"])
        answer = _answer(asked)
        _limit_time(0)
        print(json.dumps(answer), file=replies)


if __name__ == "__main__":
    main()
