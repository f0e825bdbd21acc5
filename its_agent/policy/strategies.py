"""Strategies by name: a policy, and the rule that picks the answer from its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from its_agent.errors import UnknownStrategy
from its_agent.policy.adaptive import adaptive
from its_agent.policy.fixed import WAVE, Once, RefineOnly, Repeat, SearchOnly
from its_agent.policy.protocol import Policy
from its_agent.selection.judgement import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How to spend a budget, and how to choose from what it bought."""

    name: str
    policy: Policy
    rule: Rule = "weighted_vote"
    estimates: bool = False
    """Ask for the difficulty first; fixed strategies have no use for it."""


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        strategy.name: strategy
        for strategy in (
            Strategy(name="adaptive", policy=adaptive, estimates=True),
            Strategy(name="single_pass", policy=Once()),
            Strategy(name="attempts", policy=Repeat(wave=WAVE, until_settled=True)),
            Strategy(
                name="adaptive_consistency", policy=Repeat(until_settled=True), rule="majority"
            ),
            Strategy(name="self_consistency", policy=Repeat(), rule="majority"),
            Strategy(name="best_of_n", policy=Repeat(), rule="best_score"),
            Strategy(name="refine", policy=RefineOnly(), rule="latest"),
            Strategy(name="search", policy=SearchOnly()),
            Strategy(name="beam", policy=SearchOnly(algorithm="beam")),
            Strategy(name="a_star", policy=SearchOnly(algorithm="a_star")),
        )
    }
)


def strategy_named(name: str) -> Strategy:
    """Find a strategy. Raises UnknownStrategy, which lists the known ones."""
    if name not in STRATEGIES:
        raise UnknownStrategy(f"unknown strategy {name!r}; known: {', '.join(STRATEGIES)}")
    return STRATEGIES[name]
