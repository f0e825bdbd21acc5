"""Prompt arms: ways to put the same problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from its_agent.prompts.templates import render

STRATEGY_ARMS = ("step_by_step", "edge_cases", "work_backwards", "subproblems", "analogy")
"""Reasoning prompts, the most reliable first."""
PROGRAM_ARM = "program_of_thought"
"""Asks for a program that prints the answer (arXiv 2211.12588)."""
NAMED_ARMS = ("plan_then_solve", "re_reading", PROGRAM_ARM)
"""Tried only by strategies of their name (arXiv 2305.04091, 2309.06275)."""
ARMS = ("plain", "direct", *NAMED_ARMS, *STRATEGY_ARMS)
_WITHOUT_ENDING = ("plain", "i_know", PROGRAM_ARM)
_FILLED_KEPT = 128


def ask(
    arm: str, messages: Sequence[Mapping[str, Any]], answer_type: str
) -> tuple[dict[str, Any], ...]:
    """Put the last user message in the words of an arm; earlier messages stay as they are."""
    last = max(i for i, message in enumerate(messages) if message["role"] == "user")
    return tuple(
        {**message, "content": _reword(arm, message["content"], answer_type)}
        if position == last
        else dict(message)
        for position, message in enumerate(messages)
    )


def shown_first(
    exemplars: Sequence[tuple[str, str]], messages: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """Put exemplars before a conversation as earlier turns of it, after its system message."""
    first = next((i for i, m in enumerate(messages) if m["role"] != "system"), len(messages))
    turns = [
        {"role": role, "content": content}
        for exemplar in exemplars
        for role, content in zip(("user", "assistant"), exemplar, strict=True)
    ]
    return (*messages[:first], *turns, *messages[first:])


def follow_up(arm: str, **values: str) -> dict[str, str]:
    """Make a further user message of the same conversation."""
    return {"role": "user", "content": render(arm, **values)}


@cache
def ending(answer_type: str) -> str:
    """Say how the answer is to be given, as the end of a sentence."""
    return render("ending", answer_type=answer_type)


def _reword(arm: str, content: Any, answer_type: str) -> Any:
    if not isinstance(content, str):
        # Parts such as images stay; the instruction becomes one more part of text.
        return [*content, {"type": "text", "text": _fill(arm, "", answer_type).strip()}]
    return _fill(arm, content, answer_type)


@lru_cache(maxsize=_FILLED_KEPT)
def _fill(arm: str, problem: str, answer_type: str) -> str:
    if arm in _WITHOUT_ENDING:
        return render(arm, problem=problem)
    return render(arm, problem=problem, ending=ending(answer_type))
