"""Difficulty from the question's text alone: free, and weak."""

from __future__ import annotations

import math

from its_agent.difficulty.belief import Evidence

STRENGTH = 2.0
TYPICAL_WORDS = 45
INTERCEPT, SLOPE = -1.28, -2.26
"""Logistic fit of the share of right samples on log(words / TYPICAL_WORDS): 70 grade-school
problems, 16 samples each of Qwen2.5-Coder-0.5B-Instruct (correlation −.51). Other models differ;
`STRENGTH` keeps it a hint."""


def read_text(question: str) -> Evidence:
    """Judge a question by its length: longer ones have more steps to get wrong."""
    words = max(1, len(question.split()))
    logit = INTERCEPT + SLOPE * math.log(words / TYPICAL_WORDS)
    return Evidence(source="text_features", success=1 / (1 + math.exp(-logit)), strength=STRENGTH)
