"""A judge that rates one solution at a time: the expectation over its rating tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.backends.protocol import Backend
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.prompts import follow_up
from its_agent.verifiers.as_data import as_data
from its_agent.verifiers.asking import (
    ask_each,
    mass,
    one_token,
    priced,
    question_of,
    solution_of,
)
from its_agent.verifiers.protocol import Conversation, Reading

RATINGS = range(1, 6)
"""One token each under every tokenizer."""
PROMPT_TOKENS = 160
"""What the judge is told around a question and its solution, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """Asks for a rating from 1 to 5 and takes the mean over the ratings' probabilities, which is
    finer than the rating that is likeliest (G-Eval, arXiv 2303.16634, section 2).

    The solution is data to the judge (`as_data`). `judge` is another model than the one that
    solves; each rating reads question and solution anew.
    """

    judge: Backend | None = None
    rubric: str = "Is every step correct, and does it answer what was asked?"
    name: str = "rating"
    meaning: str = "expected rating, from 1 to 5"
    compares: bool = False

    def typical(self, tokens: int) -> int:
        """The question and the solution, read anew."""
        return self.worst(tokens).compute

    def worst(self, tokens: int) -> Usage:
        """The question and the solution, read anew."""
        cost = self.judge.relative_cost if self.judge else 1.0
        return priced(tokens + PROMPT_TOKENS + len(self.rubric), 1, cost=cost)

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Rate each; "unknown" where no rating is among the first token's alternatives."""
        if self.judge is None and not account.can("top_logprobs"):
            return ["unknown"] * len(conversations)
        asked = [one_token((self._question(one),)) for one in conversations]
        return await ask_each(account, asked, _expectation, at=self.judge)

    def _question(self, conversation: Conversation) -> dict[str, str]:
        return follow_up(
            "judge_rating",
            question=question_of(conversation),
            solution=as_data(solution_of(conversation)),
            rubric=self.rubric,
        )


def _expectation(samples: Sequence[Sample]) -> Reading:
    weights = {rating: mass(samples[0].first_top_logprobs, str(rating)) for rating in RATINGS}
    total = sum(weights.values())
    return sum(r * weight for r, weight in weights.items()) / total if total else "unknown"
