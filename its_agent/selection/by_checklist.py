"""One pass over all answers: a judge makes a checklist of its own and names the best (CHOPS,
arXiv 2506.20544)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.backends.protocol import Backend, Request
from its_agent.budget import Usage
from its_agent.errors import BackendError
from its_agent.prompts import follow_up
from its_agent.selection.checklist import best_named
from its_agent.verifiers.as_data import as_data
from its_agent.verifiers.asking import priced, question_of, solution_of
from its_agent.verifiers.judge import PROMPT_TOKENS
from its_agent.verifiers.protocol import Conversation, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """Shows a judge all answers at once; the one that it names best scores 1, the others 0. One
    request, which reads every answer once."""

    judge: Backend | None = None
    max_tokens: int = 384
    name: str = "checklist"
    meaning: str = "1 for the answer that a judge of all named best, else 0"
    compares: bool = True

    def typical(self, tokens: int) -> int:
        """An answer read once, and its part of the checklist."""
        return self._priced(tokens, self.max_tokens // 4).compute

    def worst(self, tokens: int) -> Usage:
        """As if it were shown alone."""
        return self._priced(tokens + PROMPT_TOKENS, self.max_tokens)

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        """Ask once; "unknown" for all where the reply names none of them, or several."""
        count = len(conversations)
        try:
            samples = await account.ask(self._request(conversations), at=self.judge)
        except BackendError as error:
            account.notes.append(str(error))
            return ["broken"] * count
        best = best_named(samples[0].text, count) if samples else None
        if best is None:
            return ["unknown"] * count
        return [float(place == best) for place in range(count)]

    def _request(self, conversations: Sequence[Conversation]) -> Request:
        numbered = (
            f"Answer {number}:\n{as_data(solution_of(conversation))}"
            for number, conversation in enumerate(conversations, start=1)
        )
        question = follow_up(
            "judge_checklist",
            question=question_of(conversations[0]),
            answers="\n\n".join(numbered),
            count=str(len(conversations)),
        )
        return Request(
            messages=(question,),
            max_tokens=self.max_tokens,
            temperature=0.0,
            top_p=1.0,
            logprobs=False,
        )

    def _priced(self, prompt: int, completion: int) -> Usage:
        return priced(prompt, completion, cost=self.judge.relative_cost if self.judge else 1.0)
