"""Runs in the sandbox after a program: tries cases on what the program defined.

Sent along as text, never imported there: it must stand alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
from typing import Any, cast

MOST_CHARACTERS = 500


class TimeUp(BaseException):
    """One case took too long; no program catches it by accident."""


def report(space: dict[str, Any], cases: list[str], mark: str, seconds: float) -> None:
    """Write a marked line for each case: [its position, whether it raised, what came of it]."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    signal.signal(signal.SIGALRM, _ring)
    for position, case in enumerate(cases):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        outcome = tried(case, space)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(mark + json.dumps([position, *outcome]), file=replies)


def tried(case: str, space: dict[str, Any]) -> tuple[bool, str]:
    """Whether the case raised, and the error's name or the value of the expression."""
    try:
        return False, shown(_run(case, space))
    except BaseException as error:  # noqa: BLE001
        # A program may raise anything, SystemExit too, and the next case is to be tried.
        return True, type(error).__name__


def shown(value: object) -> str:
    """The value as a text in which equal values are equal, of bounded length."""
    text = _form(value)
    if len(text) <= MOST_CHARACTERS:
        return text
    return text[:MOST_CHARACTERS] + hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _run(case: str, space: dict[str, Any]) -> object:
    try:
        code = compile(case, "<case>", "eval")
    except SyntaxError:
        code = compile(case, "<case>", "exec")
    return eval(code, space)


def _form(value: object) -> str:
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else format(value, ".12g")
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return f"{{{', '.join(sorted(f'{_form(k)}: {_form(v)}' for k, v in pairs))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_form, cast('list[object]', value)))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_form, cast('tuple[object, ...]', value)))},)"
    if isinstance(value, (set, frozenset)):
        return f"set({', '.join(sorted(map(_form, cast('set[object]', value))))})"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _ring(number: int, frame: object) -> None:
    raise TimeUp
