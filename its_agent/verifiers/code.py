"""Programs against tests, in the sandbox."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from its_agent.errors import InvalidOption
from its_agent.verifiers.failure import failure_of
from its_agent.verifiers.protocol import Result
from its_agent.verifiers.sandbox import Sandbox

_FENCE = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_KEPT = 256
"""Failures that are remembered."""


class CodeTests:
    """Passes a Python program that the tests run through without an error.

    `tests` are lines of Python, such as `assert double(2) == 4`, run after the program in the same
    process. Runs out of time, memory or output: fail. What keeps the sandbox from starting: broken.
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
        self._failures: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    async def examine(self, answer: str) -> Result:
        """Run the program and the tests."""
        # A program that ends early has not passed the tests that come after it.
        passed = secrets.token_hex(16)
        parts = (program_of(answer), *self._tests, f"print({passed!r})")
        try:
            ran = await self._sandbox.run("\n\n".join(parts))
        except OSError:
            return "broken"
        if ran.how == "not_started":
            return "broken"
        if ran.is_fine and passed in ran.output:
            return "pass"
        self._remember(answer, failure_of(ran, parts[0], self._tests))
        return "fail"

    async def explain(self, answer: str) -> str | None:
        """Name the first test that failed and the end of the error; a program that was run before
        is not run again."""
        if answer not in self._failures:
            await self.examine(answer)
        return self._failures.get(answer)

    def _remember(self, answer: str, failure: str) -> None:
        self._failures[answer] = failure
        while len(self._failures) > _KEPT:
            self._failures.pop(next(iter(self._failures)))


def program_of(text: str) -> str:
    """The program in a text: the last fenced block, or all of it where there is none."""
    blocks = [block for block in _FENCE.findall(text) if block.strip()]
    return blocks[-1] if blocks else text
