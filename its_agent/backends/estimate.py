"""Token counts where the engine tells none: from above, so that no reservation is too small."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from its_agent.solution import Message

BYTES_A_TOKEN = 2
"""Byte-pair vocabularies need 4 bytes of English and 2 to 3 of mathematics for a token."""
MESSAGE_OVERHEAD = 8
PROMPT_OVERHEAD = 16
"""Tokens that a chat template adds to each message, and to a conversation."""


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text from above."""
    return math.ceil(len(text.encode()) / BYTES_A_TOKEN)


def estimate_prompt(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """Estimate the tokens of a conversation from above, chat template and tools included."""
    contents = [f"{message.get('content') or ''}{_calls(message)}" for message in messages]
    contents += [json.dumps(tool, ensure_ascii=False) for tool in tools]
    return PROMPT_OVERHEAD + sum(MESSAGE_OVERHEAD + estimate_tokens(text) for text in contents)


def _calls(message: Message) -> str:
    calls = message.get("tool_calls")
    return json.dumps(calls, ensure_ascii=False) if calls else ""
