"""Text that somebody else wrote, as data for a judge: it can be judged, and gives no orders."""

from __future__ import annotations

import hashlib
import re

_TURN_MARKS = re.compile(
    r"(?:<\|[^|<>\n]{1,40}\|>|</?(?:s|bos|eos|start_of_turn|end_of_turn)>|\[/?(?:INST|SYS)\]"
    r"|<</?SYS>>)(?:\s*(?:system|user|assistant|tool)\b\s*\n)?",
    re.IGNORECASE,
)
"""What chat templates mark turns with."""
_SENTENCE = re.compile(r"[^\n.!?]*(?:[.!?]+|\n|$)")
_JUDGING = r"(?:rate|score|grade|mark|rank|rule|judge|evaluate|pick|choose|select|prefer|accept)"
_REPLYING = r"(?:reply|respond|answer|output|say|print|write)"
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,60}\b(?:instructions?|rubric|rules?|criteria|prompt"
    r"|(?:other|previous|first|second) (?:solutions?|answers?))\b"
    r"|^\W*(?:dear\s+)?(?:judge|grader|evaluator|reviewer|verifier|examiner|assistant|ai)\s*[,:!]"
    r"|\byou (?:must|should|have to|are \w+ to)\s+(?:\w+\s+){0,2}"
    rf"(?:{_JUDGING}|{_REPLYING}|give)\b"
    rf"|^\W*(?:please\s+)?{_JUDGING}\b.{{0,30}}\b(?:this|it|me|mine|my|solution|answer|response)\b"
    r"|\b(?:give|award|assign)\s+(?:this|it|me|my)\b"
    rf"|^\W*(?:please\s+)?{_REPLYING}\b.{{0,12}}\b(?:with|only|just)\b"
    r"|\bverdict\s*[:=]|\b(?:rating|score|grade)\s*[:=]\s*(?:\d+\s*/\s*\d+|[1-5]|10)\W*$"
    r"|^\W*system\s*(?:prompt|message)?\s*:",
    re.IGNORECASE,
)
"""How text speaks to whoever judges it. A solution has no need to."""


def as_data(text: str) -> str:
    """The text in a fence that it cannot close, without what marks turns of a conversation and
    without sentences that speak to a judge.

    Orders are told by patterns: one that fits none of them stays, as data between the fences.
    """
    told = without_orders(text)
    fence = f"===== {hashlib.sha256(told.encode()).hexdigest()[:12]} ====="
    return f"{fence}\n{told}\n{fence}"


def without_orders(text: str) -> str:
    """The text without turn marks and without sentences that give a judge orders."""
    plain = _TURN_MARKS.sub("", text)
    kept = (match.group() for match in _SENTENCE.finditer(plain))
    return "".join(sentence for sentence in kept if not _ORDERS.search(sentence)).strip()
