"""What a verifier is, and what it may say."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from its_agent.backends.account import Account
from its_agent.budget import Usage
from its_agent.solution import Message

Result = Literal["pass", "fail", "unknown", "broken"]
"""Right; wrong; not for this verifier to say; the verifier itself failed."""

Conversation: TypeAlias = tuple[Message, ...]
"""The problem as it was put to the model, and one solution, whole or begun, as the assistant's last
message. A question about it continues this conversation, so that the prefix cache serves it."""
Reading: TypeAlias = float | Literal["unknown", "broken"]
"""A score, higher for better; nothing to say; the scorer itself failed."""


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


@runtime_checkable
class Explains(Protocol):
    """A verifier, or an examiner, that can say why an answer failed."""

    def explain(self, answer: str) -> str | None | Awaitable[str | None]:
        """Say what is wrong with an answer, for a critique to start from; None where it did not
        fail or there is nothing to say. An examiner's is awaited. Never raises."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Scores solutions by asking an engine, which is paid through the account. A score is evidence,
    never proof: what it is worth is for a calibration to say."""

    @property
    def name(self) -> str:
        """What reasons call it, and the name of its scores among a candidate's signals."""
        ...

    @property
    def meaning(self) -> str:
        """What its score stands for, in a few words."""
        ...

    @property
    def compares(self) -> bool:
        """Scores hold among the solutions that were scored together, and not beyond."""
        ...

    def typical(self, tokens: int) -> int:
        """Compute units that scoring one conversation of so many tokens usually costs."""
        ...

    def worst(self, tokens: int) -> Usage:
        """The most that scoring one conversation of so many tokens costs."""
        ...

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Score each, in their order. Raises nothing but cancellation: "unknown" where the budget
        has no room or the engine's answer says nothing, "broken" where the engine failed."""
        ...
