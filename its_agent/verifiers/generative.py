"""Generative verification: the judge reasons before its verdict, several times (arXiv 2408.15240,
2504.01005)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.backends.protocol import Backend, Request
from its_agent.backends.sample import Sample
from its_agent.budget import Usage
from its_agent.prompts import follow_up
from its_agent.verifiers.as_data import as_data
from its_agent.verifiers.asking import ask_each, priced, question_of, solution_of
from its_agent.verifiers.judge import PROMPT_TOKENS
from its_agent.verifiers.protocol import Conversation, Reading

_VERDICT = re.compile(r"verdict\W{0,6}(right|wrong)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerativeVerifier:
    """Asks for a check of every step and a verdict, `votes` times; the score is the share of right
    among the verdicts. Checks without a verdict do not count.

    A check costs as much as a sample: while samples still pay, they are the better purchase
    (arXiv 2504.01005, section 4).
    """

    judge: Backend | None = None
    votes: int = 4
    max_tokens: int = 256
    temperature: float = 0.8
    rubric: str = "Check every step: is it correct, and does the end answer what was asked?"
    name: str = "generative_verifier"
    meaning: str = "share of checks that end with right, from 0 to 1"
    compares: bool = False

    def typical(self, tokens: int) -> int:
        """Question and solution once, and what a check usually takes of its room."""
        used = self.votes * self.max_tokens * 2 // 3
        return priced(tokens + PROMPT_TOKENS + len(self.rubric), used, cost=self._cost).compute

    def worst(self, tokens: int) -> Usage:
        """Every check as long as it may be."""
        return priced(
            tokens + PROMPT_TOKENS + len(self.rubric), self.votes * self.max_tokens, cost=self._cost
        )

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Check each; "unknown" where no check came to a verdict."""
        asked = [self._request(conversation) for conversation in conversations]
        return await ask_each(account, asked, share_of_right, at=self.judge)

    @property
    def _cost(self) -> float:
        return self.judge.relative_cost if self.judge else 1.0

    def _request(self, conversation: Conversation) -> Request:
        question = follow_up(
            "judge_verdict",
            question=question_of(conversation),
            solution=as_data(solution_of(conversation)),
            rubric=self.rubric,
        )
        return Request(
            messages=(question,),
            n=self.votes,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            logprobs=False,
        )


def share_of_right(samples: Sequence[Sample]) -> Reading:
    """The share of right among the last verdicts that the checks name."""
    named = [_VERDICT.findall(sample.text) for sample in samples if sample.finish == "stop"]
    verdicts = [found[-1].casefold() == "right" for found in named if found]
    return sum(verdicts) / len(verdicts) if verdicts else "unknown"
