"""Outcome rewards: a second model that scores a whole solution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from its_agent.backends.account import Account
from its_agent.backends.pooling import PoolingBackend
from its_agent.budget import Usage
from its_agent.verifiers.labels import Activation, check_label, goodness
from its_agent.verifiers.most_tokens import most_tokens
from its_agent.verifiers.protocol import Conversation, Reading
from its_agent.verifiers.side_by_side import side_by_side


class OutcomeReward:
    """Scores a whole conversation, its last turn ended, by a classifier of sequences.

    `activation` says what the model's labels are: "none" for the reward of a model trained on
    comparisons, which holds among answers to one problem; "sigmoid" or "softmax" for the
    probability that the answer is good. Raises InvalidOption.
    """

    def __init__(
        self,
        backend: PoolingBackend,
        *,
        activation: Activation = "sigmoid",
        good_label: int = 1,
        name: str = "outcome_reward",
    ) -> None:
        check_label(activation, good_label)
        self._backend = backend
        self._activation: Activation = activation
        self._good_label = good_label
        self._name = name

    @property
    def name(self) -> str:
        """What reasons call it, and the name of its scores among a candidate's signals."""
        return self._name

    @property
    def meaning(self) -> str:
        """What its score stands for."""
        return "reward of the whole answer" if self.compares else "P(good) of the whole answer"

    @property
    def compares(self) -> bool:
        """Whether scores hold only among the solutions that were scored together."""
        return self._activation == "none"

    def typical(self, tokens: int) -> int:
        """Compute units: the conversation is read once."""
        return self._backend.cost(tokens).compute

    def worst(self, tokens: int) -> Usage:
        """The most, where this model's tokenizer makes more of the text."""
        return self._backend.cost(most_tokens(tokens))

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Score each, in their order; see Scorer."""
        return await side_by_side(self._score, conversations, account, name=self._name)

    async def _score(self, conversation: Conversation, account: Account) -> Reading:
        tokens = await account.prepare(partial(self._backend.tokenize, conversation, whole=True))
        if tokens is None:
            return "unknown"
        labelled = await account.read(
            partial(self._backend.label_text, tokens), worst=self._backend.cost(len(tokens))
        )
        if labelled is None:
            return "unknown"
        return goodness(labelled, self._activation, self._good_label)
