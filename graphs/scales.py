"""What a step's number stands for, and how it is told to an algorithm that wants another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

Scale = Literal["log_probability", "probability", "odds", "log_odds"]
"""At most 0; from 0 to 1; at least 0; any number. A process reward or P(True) is a probability, a
difference of log-probabilities has the range of log-odds, a confidence without an upper end that
of odds."""

LEAST = 1e-9
"""A probability of 0 or 1 is told as this far from it, so that its logarithms are numbers."""

RANGES: Mapping[Scale, tuple[float, float]] = MappingProxyType(
    {
        "log_probability": (-math.inf, 0.0),
        "probability": (0.0, 1.0),
        "odds": (0.0, math.inf),
        "log_odds": (-math.inf, math.inf),
    }
)


def fits(number: float, scale: Scale) -> bool:
    """Whether it is a finite number of that scale."""
    lowest, highest = RANGES[scale]
    return math.isfinite(number) and lowest <= number <= highest


def rescaled(number: float, *, read: Scale, told: Scale) -> float:
    """The same probability p as log p, p, p / (1 - p) or log(p / (1 - p)). What is on the wanted
    scale already is not touched."""
    if read == told:
        return number
    p = min(max(_PROBABILITY[read](number), LEAST), 1 - LEAST)
    return _TOLD[told](p)


def _from_log_odds(number: float) -> float:
    if number >= 0:
        return 1 / (1 + math.exp(-number))
    return math.exp(number) / (1 + math.exp(number))


_PROBABILITY: Mapping[Scale, Callable[[float], float]] = MappingProxyType(
    {
        "log_probability": math.exp,
        "probability": float,
        "odds": lambda odds: odds / (1 + odds),
        "log_odds": _from_log_odds,
    }
)
_TOLD: Mapping[Scale, Callable[[float], float]] = MappingProxyType(
    {
        "log_probability": math.log,
        "probability": float,
        "odds": lambda p: p / (1 - p),
        "log_odds": lambda p: math.log(p / (1 - p)),
    }
)
