"""A text reader that tells what a model made of recorded answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from its_agent.backends.pool_file import ReadingRow
from its_agent.backends.shelves import said
from its_agent.backends.text_reader import TextRead, TextTokens, reading_cost
from its_agent.errors import InvalidOption, ScriptExhausted
from its_agent.solution import Message


class PoolReader:
    """Replays one model's readings, at the price that they had. Tokens are numbered by their
    place: what they were is not kept. Raises InvalidOption for a model that read nothing."""

    def __init__(
        self, readings: Iterable[ReadingRow], model: str, *, relative_cost: float = 1.0
    ) -> None:
        self._readings = {one.of: one for one in readings if one.reader == model}
        self._model = model
        self.relative_cost = relative_cost
        if not self._readings:
            raise InvalidOption(f"the pool holds no answers that {model} has read")

    async def tokenize_text(
        self, messages: Sequence[Message], *, end_of_turn: bool = False
    ) -> TextTokens:
        """Find the answer's tokens. Raises ScriptExhausted for an answer that was not read."""
        reading = self._find(messages)
        total = reading.prompt_tokens
        return TextTokens(
            messages=tuple(messages),
            tokens=tuple(range(total)),
            start=total - len(reading.logprobs),
        )

    async def read_text(self, text: TextTokens) -> TextRead:
        """What was read. Raises ScriptExhausted for an answer that was not."""
        reading = self._find(text.messages)
        usage = reading_cost(reading.prompt_tokens, self.relative_cost)
        return TextRead(logprobs=reading.logprobs, usage=usage)

    def _find(self, messages: Sequence[Message]) -> ReadingRow:
        found = self._readings.get(said(messages))
        if found is None:
            raise ScriptExhausted(f"the pool holds no reading of this answer by {self._model}")
        return found
