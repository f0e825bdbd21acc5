"""Strategies by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from its_agent.errors import UnknownStrategy
from its_agent.policy.judged_strategies import JUDGED
from its_agent.policy.sampling_strategies import SAMPLING
from its_agent.policy.search_strategies import SEARCHES
from its_agent.policy.strategy import Strategy

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {one.name: one for one in (*SAMPLING, *JUDGED, *SEARCHES)}
)


def strategy_named(name: str) -> Strategy:
    """Find a strategy. Raises UnknownStrategy, which lists the known ones."""
    if name not in STRATEGIES:
        raise UnknownStrategy(f"unknown strategy {name!r}; known: {', '.join(STRATEGIES)}")
    return STRATEGIES[name]
