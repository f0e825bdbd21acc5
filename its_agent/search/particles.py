"""Particle filtering over partial solutions (arXiv 2502.01618)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from its_agent.errors import InvalidOption
from its_agent.search import waves
from its_agent.search.rebase import balanced
from its_agent.search.state import (
    Expansion,
    SearchState,
    at_least,
    by_score,
    check_range,
)
from its_agent.search.tree import ROOT, Node, Tree

Resampling = Literal["multinomial", "systematic", "residual"]
Choice = Literal["argmax", "sample"]
Draw: TypeAlias = Callable[[Sequence[float], int, Random], list[int]]

LOW_ESS = 0.5
"""Share of the particles that the effective sample size must fall below to be annealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleFilter:
    """`particles` partial solutions, each continued by one step and then resampled in proportion
    to exp(score / `temperature`), the score of the last step.

    A complete particle is no longer continued, keeps its weight, and is resampled like the
    others; the search ends when all are complete. The first of `solved` is the final choice: the
    complete node of the highest score, or with `choice="sample"` that of a particle drawn from the
    last population, which the resampling has already weighted. With `annealed` (entropic particle
    filtering), where few particles carry the weight early on, the temperature is raised by
    (N / ESS)(1 − t/T). Equal siblings are one node that several particles share. At `max_depth`
    steps the continuation runs to the end. Where all continuations fail the step is made again
    `retries` times. The draws depend on `seed` and on the tree alone.
    """

    particles: int = 8
    temperature: float = 1.0
    resampling: Resampling = "systematic"
    annealed: bool = False
    choice: Choice = "argmax"
    max_depth: int = 40
    retries: int = 1
    seed: int = 0
    score_range: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        at_least(1, particles=self.particles, max_depth=self.max_depth)
        at_least(0, retries=self.retries)
        check_range(self.score_range)
        if not 0 < self.temperature < math.inf:
            raise InvalidOption(f"temperature={self.temperature}; give a number above 0")
        if self.resampling not in DRAWS:
            raise InvalidOption(f"resampling={self.resampling!r}; known: {', '.join(DRAWS)}")
        if self.choice not in get_args(Choice):
            raise InvalidOption(f"choice={self.choice!r}; known: {', '.join(get_args(Choice))}")

    ask = waves.ask
    tell = waves.tell
    finished = waves.finished

    def start(self) -> SearchState:
        """The state before anything was asked."""
        return self._moved(SearchState(tree=Tree()), [ROOT] * self.particles)

    def plan(self, state: SearchState) -> SearchState:
        """Resample the particles where they are, and let each go on; no wave when all are complete
        or lost."""
        reached = self._reached(state)
        if not reached:
            return self._again(state)
        weights = balanced([node.score for node in reached], self._temperature(reached))
        random = Random(f"{self.seed}:{len(state.tree.nodes())}")
        drawn = DRAWS[self.resampling](weights, self.particles, random)
        return self._moved(state, [reached[place].id for place in drawn])

    def _reached(self, state: SearchState) -> list[Node]:
        """Where the particles are after their step: equal siblings are one node, counted often."""
        found: list[Node] = []
        for id in dict.fromkeys(state.frontier):
            node = state.tree.node(id)
            if node.done:
                found += [node] * state.frontier.count(id)
                continue
            alive = [child for child in state.tree.children(id) if not child.failed]
            best = {(child.text, child.done): child for child in sorted(alive, key=_worst_first)}
            found += [best[child.text, child.done] for child in alive]
        return found

    def _again(self, state: SearchState) -> SearchState:
        """All was lost: the same step once more, or the end."""
        counts = Counter(state.frontier)
        spare = all(
            len(state.tree.children(id)) < count * (self.retries + 1)
            for id, count in counts.items()
        )
        return self._moved(state, state.frontier if spare else ())

    def _moved(self, state: SearchState, population: Sequence[str]) -> SearchState:
        counts = Counter(sorted(population, key=lambda id: state.tree.node(id).place))
        nodes = {id: state.tree.node(id) for id in counts}
        going = [n for n in nodes.values() if not n.done and n.depth < self.max_depth]
        complete = [nodes[id] for id in counts.elements() if nodes[id].done]
        return replace(
            state,
            wave=tuple(self._expand(node, counts[node.id]) for node in going),
            frontier=tuple(counts.elements()),
            solved=tuple(dict.fromkeys(node.id for node in self._ranked(complete, state.tree))),
        )

    def _ranked(self, complete: Sequence[Node], tree: Tree) -> list[Node]:
        """Complete particles, the one to choose first; a node stands for each of its particles."""
        if self.choice == "argmax":
            return sorted(complete, key=by_score)
        random = Random(f"{self.seed}:{len(tree.nodes())}:{self.choice}")
        return random.sample(complete, len(complete))

    def _temperature(self, reached: Sequence[Node]) -> float:
        if not self.annealed:
            return self.temperature
        weights = balanced([node.score for node in reached], self.temperature)
        depth = max(node.depth for node in reached)
        return self.temperature * annealing(weights, depth / self.max_depth)

    def _expand(self, node: Node, width: int) -> Expansion:
        to_end = node.depth + 1 >= self.max_depth
        return Expansion(node=node.id, width=width, to_end=to_end)


def effective_sample_size(weights: Sequence[float]) -> float:
    """(Σw)² / Σw²: how many equal weights would be worth as much."""
    squares = math.fsum(w * w for w in weights)
    return math.fsum(weights) ** 2 / squares if squares else 0.0


def annealing(weights: Sequence[float], progress: float) -> float:
    """What entropic annealing multiplies the temperature by: (N / ESS)(1 − progress) where the
    effective sample size is low, and never below 1."""
    size = effective_sample_size(weights)
    if not size or size >= LOW_ESS * len(weights):
        return 1.0
    return max(1.0, len(weights) / size * (1 - progress))


def multinomial(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Independent draws."""
    return sorted(random.choices(range(len(weights)), weights, k=count))


def systematic(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """One draw, and every 1/count of the weight from there on: each index comes floor or ceil of
    its expected number of times."""
    step = math.fsum(weights) / count
    drawn: list[int] = []
    place, passed, offset = 0, weights[0], 1 - random.random()
    for number in range(count):
        while passed < (number + offset) * step and place < len(weights) - 1:
            place += 1
            passed += weights[place]
        drawn.append(place)
    return drawn


def residual(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """The whole part of each expected number at once, the rest by independent draws."""
    total = math.fsum(weights)
    expected = [count * w / total for w in weights]
    sure = [place for place, number in enumerate(expected) for _ in range(int(number))]
    left = count - len(sure)
    rests = [number - int(number) for number in expected]
    if left and math.fsum(rests) <= 0:
        rests = list(weights)
    return sorted(sure + (multinomial(rests, left, random) if left else []))


DRAWS: Mapping[str, Draw] = MappingProxyType(
    {"multinomial": multinomial, "systematic": systematic, "residual": residual}
)


def _worst_first(node: Node) -> tuple[float, tuple[int, ...]]:
    score, place = by_score(node)
    return (-score, tuple(-part for part in place))
