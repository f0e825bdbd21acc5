"""Programs against tests, in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Sequence

from its_agent.errors import InvalidOption
from its_agent.verifiers.protocol import Result
from its_agent.verifiers.sandbox import Sandbox
from its_agent.verifiers.tested import Tested, tested

_FENCE = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
KEPT = 64
"""Answers whose outcome is remembered, so that why one fails is not run for again."""


class CodeTests:
    """Passes a Python program that the tests run through without an error.

    `tests` are lines of Python, such as `assert double(2) == 4`, run after the program in the same
    process, each whatever came of those before it. Runs out of time, memory or output: fail. What
    keeps the sandbox from starting: broken.
    Tests tell honest programs apart; one that is out to deceive them can, within the sandbox.
    Raises InvalidOption without tests, and MissingExtra without a sandbox.
    """

    def __init__(
        self, tests: Sequence[str], *, sandbox: Sandbox | None = None, name: str = "tests"
    ) -> None:
        if not tests or isinstance(tests, str):
            raise InvalidOption(f"tests must be a list of at least one line of code, got {tests!r}")
        self._tests = tuple(tests)
        self._sandbox = sandbox or Sandbox()
        self._name = name
        self._reports: dict[str, Tested] = {}

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    async def examine(self, answer: str) -> Result:
        """Run the program and the tests."""
        return (await self.report(answer)).result

    async def explain(self, answer: str) -> str | None:
        """How many tests pass, and the first that fails with the end of its error: at most 1,000
        characters."""
        return (await self.report(answer)).explanation or None

    async def grade(self, answer: str) -> float | None:
        """The share of the tests that pass; None where they could not be run."""
        report = await self.report(answer)
        return None if report.result == "broken" else report.grade

    async def report(self, answer: str) -> Tested:
        """What came of every test; an answer that was looked at lately is not run again."""
        known = self._reports.get(answer)
        if known is not None:
            return known
        report = await tested(program_of(answer), self._tests, self._sandbox)
        if report.result != "broken":
            self._reports[answer] = report
        while len(self._reports) > KEPT:
            del self._reports[next(iter(self._reports))]
        return report


def program_of(text: str) -> str:
    """The program in a text: the last fenced block, or all of it where there is none."""
    blocks = [block for block in _FENCE.findall(text) if block.strip()]
    return blocks[-1] if blocks else text
