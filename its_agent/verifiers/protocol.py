"""What a verifier is, and what it may say."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

Result = Literal["pass", "fail", "unknown", "broken"]
"""Right; wrong; not for this verifier to say; the verifier itself failed."""


class Verifier(Protocol):
    """Judges an answer without spending tokens. What it passes is taken for right."""

    @property
    def name(self) -> str:
        """What reasons call it."""
        ...

    def check(self, answer: str) -> Result:
        """Judge an answer; never raises."""
        ...


@runtime_checkable
class Examiner(Protocol):
    """Judges an answer by something that takes time, such as running it. What it passes is taken
    for right."""

    @property
    def name(self) -> str:
        """What reasons call it."""
        ...

    async def examine(self, answer: str) -> Result:
        """Judge an answer; never raises."""
        ...
