"""Runs a program with its tests in the sandbox, and says what came of them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from its_agent.verifiers.protocol import Result
from its_agent.verifiers.sandbox import Ran, Sandbox

EXPLANATION_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What came of a program and its tests."""

    result: Result
    passed: int = 0
    """Tests that the program passes."""
    total: int = 0
    explanation: str = ""
    """The first test that fails and the end of its error; empty for a program that passes."""

    @property
    def grade(self) -> float:
        """Share of the tests that pass."""
        return self.passed / self.total if self.total else 0.0


class _Line(BaseModel):
    """One line of what `inside.py` tells; a program may have forged it."""

    kind: Literal["begun", "running", "passed", "failed", "ended"]
    text: str
    total: int


async def tested(program: str, tests: Sequence[str], sandbox: Sandbox) -> Tested:
    """Run the tests one by one: each is tried, whatever came of those before it."""
    # A program that ends early has not passed the tests that come after it.
    token = secrets.token_hex(16)
    given = (program, "\n\n".join(tests), token)
    call = f"(lambda scope: (exec({_inside()!r}, scope), scope['run_tests'](*{given!r})))({{}})"
    try:
        ran = await sandbox.run(call)
    except OSError:
        return Tested(result="broken")
    if ran.how == "not_started":
        return Tested(result="broken")
    return _tested(ran, _lines(ran.output, token), sandbox.limits.seconds)


@cache
def _inside() -> str:
    return Path(__file__).with_name("inside.py").read_text(encoding="utf-8")


def _lines(output: str, token: str) -> list[_Line]:
    told = (line.removeprefix(token) for line in output.splitlines() if line.startswith(token))
    try:
        return [_Line.model_validate_json(line) for line in told]
    except ValidationError:
        # Cut off with the output, or forged: nothing of it can be believed.
        return []


def _tested(ran: Ran, lines: Sequence[_Line], seconds: float) -> Tested:
    kinds = [line.kind for line in lines]
    total, passed = sum(line.total for line in lines), kinds.count("passed")
    if ran.is_fine and "ended" in kinds and "failed" not in kinds:
        return Tested(result="pass", passed=passed, total=total)
    told = f"{passed} of {total} tests pass. {_failure(ran, lines, seconds)}"
    return Tested(
        result="fail", passed=passed, total=total, explanation=told[:EXPLANATION_CHARACTERS]
    )


def _failure(ran: Ran, lines: Sequence[_Line], seconds: float) -> str:
    """The first test that fails, or what ended the program before it could."""
    place = next((n for n, line in enumerate(lines) if line.kind == "failed"), len(lines))
    running = [line.text for line in lines[:place] if line.kind == "running"]
    test = f"This one fails:\n{running[-1]}" if running else "The program itself fails."
    if place < len(lines):
        return f"{test}\n{lines[place].text}"
    return f"{test}\n{_end(ran, seconds)}"


def _end(ran: Ran, seconds: float) -> str:
    if ran.how == "timeout":
        return f"It does not end within {seconds:g} seconds."
    if ran.how == "too_much_output":
        return "It writes too much output."
    if ran.how == "killed":
        return "It is killed: it uses more memory or processor time than it may."
    last = ran.errors.strip()[-EXPLANATION_CHARACTERS // 2 :]
    return last or "It ends the process before the tests are through."
