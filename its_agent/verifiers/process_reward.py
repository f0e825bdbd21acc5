"""Process rewards: a second model that scores every step of a solution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Literal, TypeAlias

from its_agent.backends.account import Account
from its_agent.backends.pooling import PoolingBackend
from its_agent.budget import Usage
from its_agent.errors import BackendGarbled, InvalidOption
from its_agent.verifiers.labels import Activation, check_label, goodness
from its_agent.verifiers.most_tokens import most_tokens
from its_agent.verifiers.protocol import Conversation, Reading
from its_agent.verifiers.side_by_side import side_by_side
from its_agent.verifiers.steps import tokens_at_separators, tokens_at_tags

Aggregate: TypeAlias = Literal["min", "last", "product", "mean"]


def _last(scores: Sequence[float]) -> float:
    return scores[-1]


_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {"min": min, "last": _last, "product": math.prod, "mean": statistics.fmean}
)


class ProcessReward:
    """Scores a solution by its steps, each by the model's labels at the token that ends it.

    Steps are parted by `separator`. Most process reward models read a step's score at its last
    token; those with a token of their own for it are given it as `tag`, which then stands behind
    each step in place of the separator (Qwen2.5-Math-PRM: "<extra_0>"). The server labels every
    token, or, where vLLM pools by steps, the tags alone. `aggregate` makes one score of them:
    "min" and "product" are of arXiv 2305.20050, "last" is of arXiv 2408.03314.

    Raises InvalidOption.
    """

    def __init__(
        self,
        backend: PoolingBackend,
        *,
        separator: str = "\n\n",
        tag: str | None = None,
        aggregate: Aggregate = "min",
        activation: Activation = "softmax",
        good_label: int = 1,
        name: str = "process_reward",
    ) -> None:
        check_label(activation, good_label)
        if not separator or tag == "":
            raise InvalidOption("separator and tag must not be empty")
        if aggregate not in _AGGREGATES:
            raise InvalidOption(f"unknown aggregate {aggregate!r}; known: {', '.join(_AGGREGATES)}")
        self._backend = backend
        self._separator = separator
        self._tag = tag
        self._aggregate = aggregate
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
        return f"process reward of the steps ({self._aggregate})"

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
        found = await account.prepare(partial(self._steps, conversation))
        if found is None or not found[1]:
            return "unknown"
        tokens, ends = found
        labelled = await account.read(
            partial(self._backend.label_tokens, tokens), worst=self._backend.cost(len(tokens))
        )
        if labelled is None:
            return "unknown"
        if len(labelled) == len(tokens):
            labelled = tuple(labelled[end] for end in ends)
        if len(labelled) != len(ends):
            raise BackendGarbled(
                f"the reward model labelled {len(labelled)} places of {len(tokens)} tokens that "
                f"end {len(ends)} steps"
            )
        return _AGGREGATES[self._aggregate](
            [goodness(logits, self._activation, self._good_label) for logits in labelled]
        )

    async def _steps(self, conversation: Conversation) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if self._tag is None:
            return await tokens_at_separators(self._backend, conversation, self._separator)
        return await tokens_at_tags(self._backend, conversation, self._separator, self._tag)
