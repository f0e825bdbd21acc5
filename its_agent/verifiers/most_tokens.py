"""How many tokens another model may make of a text whose tokens were counted by the first one."""

from __future__ import annotations

from its_agent.backends.estimate import PROMPT_OVERHEAD

_TIMES = 2


def most_tokens(tokens: int) -> int:
    """A bound for planning: twice as many, and a chat template of its own. What is reserved in the
    end is counted by the model that reads."""
    return _TIMES * tokens + PROMPT_OVERHEAD
