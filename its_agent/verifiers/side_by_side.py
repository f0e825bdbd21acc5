"""Scores conversations side by side, and says which failures are "unknown" and which "broken"."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from its_agent.backends.account import Account
from its_agent.errors import BackendError, InvalidInput, PromptTooLong
from its_agent.verifiers.protocol import Conversation, Reading

ScoreOne: TypeAlias = Callable[[Conversation, Account], Awaitable[Reading]]


async def side_by_side(
    score: ScoreOne, conversations: Sequence[Conversation], account: Account, *, name: str
) -> list[Reading]:
    """Score all at once, in their order. A conversation without an answer, and one that the
    context has no room for, is "unknown"; an engine that fails is "broken", with a note why."""

    async def one(conversation: Conversation) -> Reading:
        if not answer_of(conversation):
            return "unknown"
        try:
            return await score(conversation, account)
        except PromptTooLong:
            return "unknown"
        except (BackendError, InvalidInput) as failure:
            note = f"{name}: {failure}"
            if note not in account.notes:
                account.notes.append(note)
            return "broken"

    return list(await asyncio.gather(*map(one, conversations)))


def answer_of(conversation: Conversation) -> str:
    """The text that is scored, without white space around it; empty where there is none."""
    if not conversation or conversation[-1].get("role") != "assistant":
        return ""
    content = conversation[-1].get("content")
    return content.strip() if isinstance(content, str) else ""


def with_answer(conversation: Conversation, answer: str) -> Conversation:
    """The conversation with another text in place of the answer."""
    return (*conversation[:-1], {**conversation[-1], "content": answer})
