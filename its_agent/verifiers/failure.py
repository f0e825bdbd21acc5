"""What a program's failed run comes to in words, short enough for a prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from its_agent.verifiers.sandbox import Ran

MAX_CHARACTERS = 1_000
_TEST_CHARACTERS = 400
_LAST_LINES = 6
_FRAME = re.compile(r'File "<string>", line (\d+), in <module>')


def failure_of(ran: Ran, program: str, tests: Sequence[str]) -> str:
    """Name the test that failed, where one did, and how the error ends. The program and its tests
    ran as one text, an empty line between its parts."""
    test = _test_at(_line_of(ran), program, tests)
    named = [f"This test failed: {test[:_TEST_CHARACTERS]}"] if test is not None else []
    said = "\n".join([*named, _how(ran)])
    return said if len(said) <= MAX_CHARACTERS else f"…{said[-MAX_CHARACTERS + 1 :]}"


def _how(ran: Ran) -> str:
    match ran.how:
        case "timeout":
            return "The program did not end in the time that it has."
        case "killed":
            return "The program was killed: it used more memory or time than it may."
        case "too_much_output":
            return "The program wrote more than it may."
        case _:
            lines = ran.errors.strip().splitlines()[-_LAST_LINES:]
            return "\n".join(lines) or "The program ended before all tests were run."


def _line_of(ran: Ran) -> int:
    """The line of the whole text in which the last error began; 0 where there was none."""
    frames = _FRAME.findall(ran.errors)
    return int(frames[-1]) if frames else 0


def _test_at(line: int, program: str, tests: Sequence[str]) -> str | None:
    start = _lines(program) + 1
    for test in tests:
        end = start + _lines(test)
        if start <= line <= end:
            return test
        start = end + 1
    return None


def _lines(part: str) -> int:
    """How many lines a part takes, up to the line that separates it from the next."""
    return part.count("\n") + 1
