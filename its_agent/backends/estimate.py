"""Token counts where the engine tells none: from above, so that no reservation is too small.

Without a tokenizer every character that is not an ASCII letter counts with all its bytes, and two
letters are one token. Where tiktoken has an encoding on this machine the estimate is closer: its
count, digits one by one as most vocabularies of today take them, plus a margin.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from its_agent.solution import Message

if TYPE_CHECKING:
    from tiktoken import Encoding

LETTERS_A_TOKEN = 2
"""Byte-pair vocabularies need 4 letters of English for a token, and less of rare words."""
MESSAGE_OVERHEAD = 8
PROMPT_OVERHEAD = 32
TOOLS_OVERHEAD = 160
"""Tokens that a chat template adds to each message, to a conversation, and to tools."""
MARGIN = 1.3
"""By how much vocabularies differ in ASCII text."""
DIGITS_A_TOKEN = 3
"""What tiktoken's encodings take together."""
_LETTER = re.compile(r"[A-Za-z]")
_DIGITS = re.compile(r"[0-9]+")
_CACHE = "TIKTOKEN_CACHE_DIR"
_KEPT = {
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}
"""The files of tiktoken's own cache that hold these encodings."""


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text from above, by tiktoken where `TIKTOKEN_CACHE_DIR` names a
    folder that holds one of its encodings; nothing is ever fetched."""
    encoding = _encoding(os.environ.get(_CACHE, ""))
    rough = by_characters(text)
    return rough if encoding is None else min(rough, by_encoding(text, encoding))


def by_characters(text: str) -> int:
    """Estimate by what the text is made of."""
    letters = len(_LETTER.findall(text))
    return len(text.encode()) - letters + math.ceil(letters / LETTERS_A_TOKEN)


def by_encoding(text: str, encoding: Encoding) -> int:
    """Estimate by another model's vocabulary. Those differ most in what is not ASCII, each byte of
    which is added."""
    runs = map(len, _DIGITS.findall(text))
    digits = sum(run - math.ceil(run / DIGITS_A_TOKEN) for run in runs)
    foreign = sum(byte > 127 for byte in text.encode())
    return math.ceil(MARGIN * (len(encoding.encode_ordinary(text)) + digits)) + foreign


def estimate_prompt(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """Estimate the tokens of a conversation from above, chat template and tools included."""
    contents = [f"{message.get('content') or ''}{_calls(message)}" for message in messages]
    contents += [json.dumps(tool, ensure_ascii=False) for tool in tools]
    overhead = PROMPT_OVERHEAD + (TOOLS_OVERHEAD if tools else 0)
    return overhead + sum(MESSAGE_OVERHEAD + estimate_tokens(text) for text in contents)


@cache
def _encoding(folder: str) -> Encoding | None:
    if not folder or find_spec("tiktoken") is None:
        return None
    held = [name for name, file in _KEPT.items() if (Path(folder) / file).is_file()]
    if not held:
        return None
    import tiktoken

    return tiktoken.get_encoding(held[0])


def _calls(message: Message) -> str:
    calls = message.get("tool_calls")
    return json.dumps(calls, ensure_ascii=False) if calls else ""
