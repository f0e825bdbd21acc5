"""Density ratio: how much likelier a better aligned model finds an answer than a worse one does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

from its_agent.backends.account import Account
from its_agent.backends.text_reader import TextReader, reading_cost
from its_agent.budget import Usage
from its_agent.errors import InvalidOption
from its_agent.verifiers.most_tokens import most_tokens
from its_agent.verifiers.protocol import Conversation, Reading
from its_agent.verifiers.side_by_side import side_by_side


class DensityRatio:
    """Dr. SoW (arXiv 2411.02481): log p_strong(answer) - log p_weak(answer), by the log-
    probabilities that two models, often a tuned one and its base, give to the answer's tokens.

    "sum" takes the difference of the sums, which favours long answers, "mean" that of the means,
    each over the model's own tokens: each finds the answer by its own chat template, and their
    tokenizers may differ. The token that ends a turn is left out unless `mask_end_of_turn` is
    False: it says that the answer ends, not that it is good, and can outweigh all others.
    `instruction` tells both models what a good answer is to be, as a system message. Raises
    InvalidOption.
    """

    def __init__(
        self,
        strong: TextReader,
        weak: TextReader,
        *,
        reduce: Literal["mean", "sum"] = "mean",
        mask_end_of_turn: bool = True,
        instruction: str | None = None,
        name: str = "density_ratio",
    ) -> None:
        if reduce not in ("mean", "sum"):
            raise InvalidOption(f"reduce must be mean or sum, got {reduce!r}")
        self._strong = strong
        self._weak = weak
        self._reduce = reduce
        self._end_of_turn = not mask_end_of_turn
        self._instruction = instruction
        self._name = name

    @property
    def name(self) -> str:
        """What reasons call it, and the name of its scores among a candidate's signals."""
        return self._name

    @property
    def meaning(self) -> str:
        """What its score stands for."""
        per_token = " a token" if self._reduce == "mean" else ""
        return f"log p(strong) - log p(weak){per_token}"

    @property
    def compares(self) -> bool:
        """Ratios hold among answers to the same problem."""
        return True

    def typical(self, tokens: int) -> int:
        """Compute units: both models read the conversation, without the prefix cache."""
        return self._cost(tokens).compute

    def worst(self, tokens: int) -> Usage:
        """The most, where their tokenizers make more of the text."""
        return self._cost(most_tokens(tokens))

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Score each, in their order; see Scorer."""
        return await side_by_side(self._score, conversations, account, name=self._name)

    async def _score(self, conversation: Conversation, account: Account) -> Reading:
        instructed = _instructed(conversation, self._instruction)
        read: list[float] = []
        # The weak model mostly costs less: it finds out first that there is no room for both.
        for reader in (self._weak, self._strong):
            logprob = await self._logprob(reader, instructed, account)
            if logprob is None:
                return "unknown"
            read.append(logprob)
        weak, strong = read
        return strong - weak

    async def _logprob(
        self, reader: TextReader, conversation: Conversation, account: Account
    ) -> float | None:
        """Sum or mean over the answer's tokens; None where one of them is not known."""
        text = await account.prepare(
            partial(reader.tokenize_text, conversation, end_of_turn=self._end_of_turn)
        )
        if text is None or text.start >= len(text.tokens):
            return None

        async def read() -> tuple[tuple[float | None, ...], Usage]:
            told = await reader.read_text(text)
            return told.logprobs, told.usage

        worst = reading_cost(len(text.tokens), reader.relative_cost)
        logprobs = await account.read(read, worst=worst)
        known = [logprob for logprob in logprobs or () if logprob is not None]
        if not known or len(known) < len(logprobs or ()) or not all(map(math.isfinite, known)):
            return None
        return math.fsum(known) / (len(known) if self._reduce == "mean" else 1)

    def _cost(self, tokens: int) -> Usage:
        readers = (self._strong, self._weak)
        return sum((reading_cost(tokens, r.relative_cost) for r in readers), Usage())


def _instructed(conversation: Conversation, instruction: str | None) -> Conversation:
    """The conversation with an instruction at its head, behind a system message of its own."""
    if instruction is None:
        return conversation
    if conversation[0].get("role") != "system":
        return ({"role": "system", "content": instruction}, *conversation)
    first = conversation[0]
    return ({**first, "content": f"{first['content']}\n\n{instruction}"}, *conversation[1:])
