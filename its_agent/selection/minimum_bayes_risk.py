"""Minimum Bayes risk: the text that agrees most with the others (as used in arXiv 2506.20544)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

Utility: TypeAlias = Callable[[str, str], float]
"""How well the first text would do if the second were right."""

_WORD = re.compile(r"\w+")


def expected_utilities(texts: Sequence[str], utility: Utility | None = None) -> list[float]:
    """The mean utility of each text against all others, by default the overlap of words; 0 for one
    that stands alone. Asks for the utility of every ordered pair."""
    judge = utility or word_overlap
    others = max(1, len(texts) - 1)
    return [
        sum(judge(text, other) for j, other in enumerate(texts) if j != i) / others
        for i, text in enumerate(texts)
    ]


def word_overlap(text: str, other: str) -> float:
    """The F1 of the words that two texts share (ROUGE-1), from 0 to 1; 1 for two empty texts."""
    ours, theirs = (Counter(_WORD.findall(one.casefold())) for one in (text, other))
    size = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / size if size else 1.0
