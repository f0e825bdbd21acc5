"""How sure a model was of one token, from the alternatives that a server tells."""

from __future__ import annotations

from collections.abc import Iterable

from its_agent.errors import InvalidOption


def token_confidence(alternatives: Iterable[float]) -> float:
    """Minus the mean log-probability of the likeliest tokens at one place: high where one token
    stands out and the others are far off.

    Self-certainty is the mean of this over the whole vocabulary, less the constant log V; over the
    top 20 alone it is an approximation of it, and the token confidence of DeepConf (2508.15260).
    Raises InvalidOption for fewer than two, which say nothing of how far off the others are.
    """
    listed = list(alternatives)
    if len(listed) < 2:
        raise InvalidOption("a token's confidence needs at least two alternatives")
    return -sum(listed) / len(listed)
