"""A reader of texts that says what a script tells it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from its_agent.backends.text_reader import TextRead, TextTokens, reading_cost
from its_agent.errors import BackendError
from its_agent.solution import Message

ReadingScript: TypeAlias = Callable[[tuple[Message, ...]], "Sequence[float | None] | BackendError"]
"""From a conversation to the log-probability of each token of its last message, and of the token
that ends the turn; or to the error with which reading it ends."""


class ScriptedReader:
    """Reads every text as a function says, behind a prompt of `prompt_tokens` tokens."""

    def __init__(
        self, script: ReadingScript, *, prompt_tokens: int = 20, relative_cost: float = 1.0
    ) -> None:
        self.relative_cost = relative_cost
        self.read: list[tuple[Message, ...]] = []
        """The conversations that were read, in order."""
        self._script = script
        self._prompt_tokens = prompt_tokens

    async def tokenize_text(
        self, messages: Sequence[Message], *, end_of_turn: bool = False
    ) -> TextTokens:
        """Give the answer as many tokens as the script has numbers for it."""
        told = self._script(tuple(messages))
        answer = 1 if isinstance(told, BackendError) else len(told) - (not end_of_turn)
        return TextTokens(
            messages=tuple(messages),
            tokens=tuple(range(self._prompt_tokens + answer)),
            start=self._prompt_tokens,
        )

    async def read_text(self, text: TextTokens) -> TextRead:
        """Say what the script says. Raises its error."""
        self.read.append(text.messages)
        told = self._script(text.messages)
        if isinstance(told, BackendError):
            raise told
        return TextRead(
            logprobs=tuple(told[: len(text.tokens) - text.start]),
            usage=reading_cost(len(text.tokens), self.relative_cost),
        )
