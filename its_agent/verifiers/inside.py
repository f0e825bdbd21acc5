"""Runs a program and then its tests, one by one, and tells of each: the part inside the sandbox.

Its source is sent there, so it uses the standard library alone, and the program never sees its
names. Every line that it writes holds the token and a JSON object.
"""

from __future__ import annotations

import ast
import json
import linecache
import os
import sys
import traceback
from collections.abc import Callable
from types import CodeType
from typing import Any

PROGRAM = "program.py"
SET_UP = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AnnAssign, ast.AugAssign),
)
"""Statements among the tests that test nothing themselves."""
TEST_CHARACTERS = 200
ERROR_CHARACTERS = 500
FRAMES = 3
"""Innermost calls that are shown of an error."""


def run_tests(program: str, tests: str, token: str) -> None:
    """Run the program and every statement of the tests in the namespace of `__main__`."""

    def tell(kind: str, text: str = "", total: int = 0) -> None:
        line = json.dumps({"kind": kind, "text": text, "total": total})
        os.write(1, f"\n{token} {line}\n".encode())

    statements = ast.parse(tests).body
    tell("begun", total=sum(_is_test(statement) for statement in statements))
    linecache.cache[PROGRAM] = (len(program), None, program.splitlines(keepends=True), PROGRAM)
    names = sys.modules["__main__"].__dict__
    if error := _error(lambda: exec(_compiled(program, PROGRAM), names)):
        tell("failed", _shown(error))
        return
    for statement in statements:
        _run(statement, names, tell)
    tell("ended")


def _run(statement: ast.stmt, names: dict[str, Any], tell: Callable[[str, str], None]) -> None:
    tell("running", ast.unparse(statement)[:TEST_CHARACTERS])
    code = _compiled(ast.Module([statement], []), "tests")
    if error := _error(lambda: exec(code, names)):
        tell("failed", "\n".join(filter(None, (_value(statement, names), _shown(error)))))
    elif _is_test(statement):
        tell("passed", "")


def _compiled(source: str | ast.Module | ast.Expression, name: str, mode: str = "exec") -> CodeType:
    """Without the imports from `__future__` of this file."""
    return compile(source, name, mode, dont_inherit=True)


def _is_test(statement: ast.stmt) -> bool:
    return not isinstance(statement, SET_UP)


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def _error(run: Callable[[], None]) -> BaseException | None:
    try:
        run()
    except BaseException as error:  # noqa: BLE001
        # A program may raise anything, the end of the process included.
        return error
    return None


def _shown(error: BaseException) -> str:
    """The last calls and the message, without the frames of this file."""
    inner = error.__traceback__
    while inner is not None and inner.tb_frame.f_globals is globals():
        inner = inner.tb_next
    lines = traceback.format_exception(type(error), error, inner, limit=-FRAMES, chain=False)
    return "".join(lines).strip()[-ERROR_CHARACTERS:]


def _value(statement: ast.stmt, names: dict[str, Any]) -> str:
    """What stands on the computed side of a comparison that does not hold."""
    if not isinstance(statement, ast.Assert) or not isinstance(statement.test, ast.Compare):
        return ""
    sides = (statement.test.left, *statement.test.comparators)
    side = next((one for one in sides if any(map(_is_name, ast.walk(one)))), sides[0])
    values: list[str] = []
    code = _compiled(ast.Expression(side), "tests", "eval")
    failed = _error(lambda: values.append(repr(eval(code, names))))
    return "" if failed else f"{ast.unparse(side)} is {values[0]}"[:TEST_CHARACTERS]
