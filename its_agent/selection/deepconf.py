"""DeepConf, offline: confidence of a trace's parts, and votes of the surest traces (2508.15260)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from its_agent.errors import InvalidOption

WINDOW = 2_048
"""Tokens of a group; a shorter trace is one group."""
LOWEST_SHARE = 0.1
"""Part of the groups that counts as the bottom."""
KEPT_SHARE = 0.9
"""Part of the traces that may vote; the paper uses 90% and 10%."""

NAMES = ("mean", "tail", "lowest_group", "bottom_groups")


def trace_confidence(tokens: Sequence[float], window: int = WINDOW) -> Mapping[str, float]:
    """Confidences of a trace by NAMES, from those of its tokens (`token_confidence`): of the whole,
    of its last window, of its least sure window, and of the bottom tenth of its windows.

    Empty for an empty trace. Raises InvalidOption for a window below 1.
    """
    if window < 1:
        raise InvalidOption(f"window {window!r}; allowed: at least 1 token")
    if not tokens:
        return {}
    groups = sorted(_group_means(tokens, min(window, len(tokens))))
    bottom = groups[: max(1, math.ceil(LOWEST_SHARE * len(groups)))]
    last = tokens[-window:]
    values = (
        sum(tokens) / len(tokens),
        sum(last) / len(last),
        groups[0],
        sum(bottom) / len(bottom),
    )
    return dict(zip(NAMES, values, strict=True))


def deepconf_weights(scores: Sequence[float | None], kept: float = KEPT_SHARE) -> list[float]:
    """Votes of the surest `kept` part of the traces, rounded up, each weighing its score; the
    others, and those without a score, weigh nothing. Without any score all weigh 1."""
    if not 0 < kept <= 1:
        raise InvalidOption(f"kept share {kept!r}; allowed: above 0, at most 1")
    known = sorted((score for score in scores if score is not None), reverse=True)
    if not known:
        return [1.0] * len(scores)
    least = known[math.ceil(kept * len(known)) - 1]
    return [0.0 if score is None or score < least else max(0.0, score) for score in scores]


def _group_means(tokens: Sequence[float], size: int) -> list[float]:
    sums = [0.0, *accumulate(tokens)]
    return [(sums[end] - sums[end - size]) / size for end in range(size, len(tokens) + 1)]
