"""What a client may see of errors and receipts: nothing of the addresses of the house."""

from __future__ import annotations

import re
from typing import Any

from its_agent.receipt import Receipt

_ADDRESS = re.compile(
    r"""https?://[^\s,;()'"]+ | (?<=\bhost\ )\S+:\d+ | \('[^']+',\ \d+[^)]*\)""", re.VERBOSE
)
"""As URLs, and as they stand in the words of a client that could not connect."""


def without_addresses(text: str) -> str:
    """The text, with the engine in place of where it is."""
    return _ADDRESS.sub("the engine", text)


def redacted(receipt: Receipt) -> dict[str, Any]:
    """The receipt as plain data; notes name the engine, and not where it is."""
    plain = receipt.to_dict()
    plain["notes"] = [without_addresses(note) for note in receipt.notes]
    return plain
