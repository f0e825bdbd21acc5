"""Which of two solutions is better: one token, asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.backends.protocol import Backend, Request
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
from its_agent.verifiers.judge import PROMPT_TOKENS
from its_agent.verifiers.protocol import Conversation, Reading

ORDERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Asks which of two solutions is better, A or B, then the other way round, and averages: what
    a judge gives to a place alone cancels out (position bias, arXiv 2306.05685, section 3.4)."""

    judge: Backend | None = None

    def worst(self, tokens: int) -> Usage:
        """The price of one comparison of two conversations of so many tokens."""
        cost = self.judge.relative_cost if self.judge else 1.0
        prompt = ORDERS * (2 * tokens + PROMPT_TOKENS)
        return priced(prompt, ORDERS, requests=ORDERS, cost=cost)

    async def of(self, one: Conversation, other: Conversation, account: Account) -> Reading:
        """The probability that `one` is the better; "unknown" where an order got no answer."""
        orders = (_request(one, other), _request(other, one))
        first, second = await ask_each(account, orders, _first_is_better, at=self.judge)
        if isinstance(first, float) and isinstance(second, float):
            return (first + 1 - second) / ORDERS
        return "broken" if "broken" in (first, second) else "unknown"


def _request(one: Conversation, other: Conversation) -> Request:
    question = follow_up(
        "judge_pair",
        question=question_of(one),
        first=as_data(solution_of(one)),
        second=as_data(solution_of(other)),
    )
    return one_token((question,))


def _first_is_better(samples: Sequence[Sample]) -> Reading:
    alternatives = samples[0].first_top_logprobs
    first, second = mass(alternatives, "a"), mass(alternatives, "b")
    return first / (first + second) if first + second else "unknown"
