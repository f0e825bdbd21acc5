"""Whether an answer has the form that a regular expression describes."""

from __future__ import annotations

import importlib
from typing import Any

from its_agent.errors import InvalidOption
from its_agent.verifiers.protocol import Result

# The library has no types; through import_module it is Any to the type checkers.
regex: Any = importlib.import_module("regex")


class Regex:
    """Fails an answer that the pattern does not match as a whole.

    One that it matches is "unknown", as its form says nothing of its content; with `proves` it
    passes. One that takes more than `seconds` of processor time is "unknown" too. Patterns are
    those of the package `regex`. Raises InvalidOption for what is none.
    """

    def __init__(
        self, pattern: str, *, proves: bool = False, seconds: float = 0.1, name: str = "pattern"
    ) -> None:
        try:
            self._pattern = regex.compile(pattern)
        except regex.error as error:
            raise InvalidOption(f"{pattern!r} is not a regular expression: {error}") from error
        self._proves = proves
        self._seconds = seconds
        self._name = name

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    def check(self, answer: str) -> Result:
        """Match the whole answer."""
        matches = self._matches(answer)
        if matches is False:
            return "fail"
        return "pass" if matches and self._proves else "unknown"

    def explain(self, answer: str) -> str | None:
        """Name the pattern that an answer does not match."""
        if self._matches(answer) is not False:
            return None
        return f"it does not have the form of the regular expression {self._pattern.pattern}"

    def _matches(self, answer: str) -> bool | None:
        try:
            return self._pattern.fullmatch(answer, timeout=self._seconds) is not None
        except TimeoutError:
            return None
