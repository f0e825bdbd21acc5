"""A scorer for tests: it asks the engine for a number, and a script that answers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from its_agent.backends.account import Account
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Line, Reply
from its_agent.budget import Usage
from its_agent.errors import BackendError
from its_agent.verifiers import Conversation, Reading

QUESTION = "Say how good that is."
ANSWER_TOKENS = 4
QUESTION_TOKENS = 16
"""More than the question has, and what its message adds."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Reads the number that the engine says of a conversation; "?" says nothing."""

    name: str = "judge"
    meaning: str = "how good the engine says it is"
    compares: bool = False

    def typical(self, tokens: int) -> int:
        return self.worst(tokens).compute

    def worst(self, tokens: int) -> Usage:
        read = tokens + QUESTION_TOKENS
        return Usage(
            prompt_tokens=read,
            completion_tokens=ANSWER_TOKENS,
            requests=1,
            compute=read + ANSWER_TOKENS,
        )

    async def score(self, conversations: Sequence[Conversation], account: Account) -> list[Reading]:
        return [await self._one(conversation, account) for conversation in conversations]

    async def _one(self, conversation: Conversation, account: Account) -> Reading:
        asked = (*conversation, {"role": "user", "content": QUESTION})
        request = Request(messages=asked, max_tokens=ANSWER_TOKENS, temperature=0.0, top_p=1.0)
        try:
            said = await account.ask(request)
        except BackendError:
            return "broken"
        return float(said[0].text) if said and said[0].text != "?" else "unknown"


def judging(
    solve: Callable[[Request, int], Line], judge: Callable[[str], Line]
) -> Callable[[Request, int], Line]:
    """A script that answers the judge's question about a text by `judge`, anything else by
    `solve`."""

    def script(request: Request, index: int) -> Line:
        if request.messages[-1]["content"] == QUESTION:
            said = judge(str(request.messages[-2]["content"]))
            return Reply(text=said, tokens=1) if isinstance(said, str) else said
        return solve(request, index)

    return script


def judged(request: Request) -> bool:
    """Whether a request was the judge's."""
    return bool(request.messages[-1]["content"] == QUESTION)
