"""P(True): what the model itself makes of a solution, read from one token (arXiv 2207.05221)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.prompts import follow_up
from its_agent.verifiers.asking import ask_each, mass, one_token, priced
from its_agent.verifiers.protocol import Conversation, Reading

QUESTION_TOKENS = 48
"""What the question adds to a conversation, at most."""
UNCACHED_TOKENS = 80
"""What a read usually costs: the question, and the rest of a block of the prefix cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PTrue:
    """Asks in the solution's own conversation whether it is right, and compares the probability of
    True with that of False. It costs tens of tokens where the prefix cache holds the conversation.

    A small model's P(True) can be worse than nothing: measure it before it is trusted.
    """

    name: str = "p_true"
    meaning: str = "P(True), from 0 to 1"
    compares: bool = False

    def typical(self, tokens: int) -> int:
        """What is not in the prefix cache, however long the conversation."""
        return UNCACHED_TOKENS

    def worst(self, tokens: int) -> Usage:
        """The whole conversation read anew."""
        return priced(tokens + QUESTION_TOKENS, 1)

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Read one token a solution; "unknown" where neither word is among its alternatives."""
        if not account.can("top_logprobs"):
            return ["unknown"] * len(conversations)
        asked = [one_token((*conversation, follow_up("p_true"))) for conversation in conversations]
        return await ask_each(account, asked, _read)


def _read(samples: Sequence[Sample]) -> Reading:
    alternatives = samples[0].first_top_logprobs
    true, false = mass(alternatives, "true"), mass(alternatives, "false")
    return true / (true + false) if true + false else "unknown"
