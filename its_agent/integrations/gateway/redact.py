"""A receipt as a client may see it: without the addresses of the house."""

from __future__ import annotations

import re
from typing import Any

from its_agent.receipt import Receipt

_ADDRESS = re.compile(r"https?://[^\s,;()'\"]+")


def redacted(receipt: Receipt) -> dict[str, Any]:
    """The receipt as plain data; notes name the engine, and not where it is."""
    plain = receipt.to_dict()
    plain["notes"] = [_ADDRESS.sub("the engine", note) for note in receipt.notes]
    return plain
