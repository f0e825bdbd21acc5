"""Checks that know what is right."""

from __future__ import annotations

from collections.abc import Callable

from its_agent.verifiers.protocol import Result


class AnswerCheck:
    """Passes the answers for which the caller's function says True, fails those with False.

    None is "unknown", and whatever the function raises is "broken". It is called in the event
    loop: it must be quick.
    """

    def __init__(self, holds: Callable[[str], bool | None], *, name: str = "check") -> None:
        self._holds = holds
        self._name = name

    @property
    def name(self) -> str:
        """What reasons call it."""
        return self._name

    def check(self, answer: str) -> Result:
        """Ask the function."""
        try:
            held = self._holds(answer)
        except Exception:  # noqa: BLE001
            # Somebody else's code may raise anything; the samples it judges are paid for.
            return "broken"
        if held is None:
            return "unknown"
        return "pass" if held else "fail"

    def explain(self, answer: str) -> None:
        """Say nothing: the function tells no reasons."""
