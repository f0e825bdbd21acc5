"""Programs that print the answer to a problem (program of thoughts, arXiv 2211.12588)."""

from __future__ import annotations

import asyncio
import os

from its_agent.answers import extract_answer
from its_agent.normal_form import is_wordy, tidy
from its_agent.solution import AnswerType
from its_agent.verifiers.code import program_of
from its_agent.verifiers.sandbox import Limits, Sandbox

AT_ONCE = os.cpu_count() or 1
"""Programs of one solve side by side."""
LIMITS = Limits(seconds=10.0)
"""Of one program; starting it on a busy machine takes seconds of them."""


class Programs:
    """Runs the programs of one solve, at most AT_ONCE at a time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._places = asyncio.Semaphore(AT_ONCE)

    async def answer(self, text: str, answer_type: AnswerType) -> str | None:
        """Run the program in a text and read the answer off its last printed line; None where it
        fails or prints nothing. Raises OSError where the sandbox does not start."""
        async with self._places:
            ran = await self._sandbox.run(program_of(text))
        if ran.how == "not_started":
            raise OSError(ran.errors.strip())
        lines = ran.output.split("\n") if ran.is_fine else []
        printed = [line.strip() for line in lines if line.strip()]
        return stated(printed[-1], answer_type) if printed else None


def stated(line: str, answer_type: AnswerType) -> str | None:
    """The answer in a printed line, which is often no more than that."""
    if answer_type == "text":
        return line
    if answer_type == "math" and not is_wordy(tidy(line)):
        return line.rpartition("=")[2].strip() or None
    return extract_answer(line, answer_type)
