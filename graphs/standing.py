"""Where a search stands: its tree, and what every partial solution in it weighs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from its_agent.backends.fitting import MIN_TOKENS
from its_agent.backends.sample import Sample
from its_agent.graphs.state import Plain, State
from its_agent.search import Expansion, Search, SearchState, StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Tokens of a partial solution, the sum of their log-probabilities, and its last step's score
    as it was read."""

    tokens: int = 0
    logprob: float | None = 0.0
    """None where the engine does not tell them all."""
    reading: float | None = None

    def after(self, step: Sample, reading: float | None) -> Weight:
        """The weight of the same solution with one more step."""
        return Weight(
            tokens=self.tokens + step.usage.completion_tokens,
            logprob=_sum(self.logprob, _logprob(step)),
            reading=reading,
        )

    @property
    def mean(self) -> float | None:
        """Mean log-probability of the tokens; 0 for none."""
        return self.logprob / self.tokens if self.logprob and self.tokens else self.logprob


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One moment of a search."""

    search: SearchState
    weights: Mapping[str, Weight] = field(default_factory=dict[str, Weight])
    is_ending: bool = False
    """It takes paths to their end with what is left, and does not branch any more."""
    least: int = MIN_TOKENS
    """Compute units of its share below which it buys nothing more."""

    @classmethod
    def of(cls, state: State, algorithm: Search) -> Standing:
        """Read it from the state, or begin."""
        plain = state.search
        if plain is None:
            return cls(search=algorithm.start())
        return cls(
            search=SearchState.from_plain(plain["standing"]),
            weights={node: Weight(**weight) for node, weight in plain["weights"].items()},
            is_ending=plain["is_ending"],
            least=plain["least"],
        )

    def to_plain(self) -> Plain:
        """Write it as plain data."""
        return {
            "standing": self.search.to_plain(),
            "weights": {node: asdict(weight) for node, weight in self.weights.items()},
            "is_ending": self.is_ending,
            "least": self.least,
        }

    def weight(self, node: str) -> Weight:
        """What the partial solution at a node weighs; the root's is nothing."""
        return self.weights.get(node, Weight())

    def text(self, node: str) -> str:
        """The partial solution at a node."""
        return self.search.tree.path_text(node)

    def told(
        self,
        algorithm: Search,
        expansion: Expansion,
        steps: list[StepResult],
        weights: list[Weight],
    ) -> Standing:
        """The moment after these steps have come, in their order."""
        first = len(self.search.tree.children(expansion.node))
        grown = {f"{expansion.node}.{first + rank}": w for rank, w in enumerate(weights)}
        return replace(
            self,
            search=algorithm.tell(self.search, expansion, steps),
            weights={**self.weights, **grown},
        )


def likelihood(before: Weight, step: Sample, *, by_path: bool) -> float | None:
    """Mean log-probability of the path, or of its last step."""
    return (before if by_path else Weight()).after(step, None).mean


def _logprob(step: Sample) -> float | None:
    told = len(step.logprobs) > 0 or step.usage.completion_tokens == 0
    return math.fsum(step.logprobs) if told else None


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
