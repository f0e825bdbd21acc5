"""Game of 24: an expression of given numbers, each used once, that makes the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from its_agent.answers import extract_answer, last_boxed
from its_agent.errors import InvalidOption
from its_agent.verifiers.arithmetic import NotArithmetic, work_out
from its_agent.verifiers.protocol import Result

MAX_CHARACTERS = 20_000
_AROUND = " \t.*`"


class Game24:
    """Passes an expression of + - * / and parentheses that uses each number once and makes the
    target; fails everything else.

    It is what a text has in its last box, after "Answer:", or as its last line; further parts of
    an equation such as `(1 + 2) * 8 = 24` must be worth the target too. Raises InvalidOption
    without numbers.
    """

    def __init__(self, numbers: Sequence[int], target: int = 24, *, name: str = "game24") -> None:
        if not numbers:
            raise InvalidOption("there must be at least one number to make the target from")
        self._numbers = Counter(numbers)
        self._target = Fraction(target)
        self._name = name

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    def check(self, answer: str) -> Result:
        """Work the expression out."""
        return "pass" if self.explain(answer) is None else "fail"

    def explain(self, answer: str) -> str | None:
        """Say what is wrong with it: a number too many or too few, or its value."""
        said = stated(answer[-MAX_CHARACTERS:])
        try:
            sides = [work_out(side) for side in said.split("=")]
        except NotArithmetic as error:
            return f"{said[:100]!r} {error}"
        uses = [self._misused(side.numbers) for side in sides]
        if None not in uses:
            return uses[0]
        worth = next((s.value for s in sides if s.value != self._target), self._target)
        return None if worth == self._target else f"equals {worth}, not {self._target}"

    def _misused(self, numbers: Sequence[int]) -> str | None:
        used = Counter(numbers)
        for number in used:
            if number not in self._numbers:
                return f"uses {number}, which is not among the numbers"
            if used[number] > self._numbers[number]:
                return f"uses {number} more often than it is given"
        missing = next(iter(self._numbers - used), None)
        return None if missing is None else f"does not use {missing} as often as it is given"


def stated(text: str) -> str:
    """The expression that a text ends with."""
    boxed = last_boxed(text)
    said = boxed if boxed is not None else extract_answer(text, "text") or ""
    return next((line.strip(_AROUND) for line in reversed(said.splitlines()) if line.strip()), "")
