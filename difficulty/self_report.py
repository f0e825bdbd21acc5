"""The model's own P(I know), read from one token (Kadavath et al., 2207.05221, section 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from its_agent.difficulty.belief import Evidence

STRENGTH = 1.0
MAX_SHARE = 0.02
"""Most of the remaining budget that asking may cost."""
TOP_LOGPROBS = 20


def read_self_report(top_logprobs: Mapping[str, float], *, compute: int) -> Evidence | None:
    """Compare the mass on Yes with the mass on No in the first token's alternatives.

    None where neither word is among them: the model did not take the question.
    """
    yes, no = _mass(top_logprobs, "yes"), _mass(top_logprobs, "no")
    if yes + no == 0:
        return None
    return Evidence(
        source="self_report", success=yes / (yes + no), strength=STRENGTH, compute=compute
    )


def _mass(top_logprobs: Mapping[str, float], word: str) -> float:
    matching = (lp for token, lp in top_logprobs.items() if token.strip().lower() == word)
    return sum(math.exp(lp) for lp in matching)
