"""The search algorithms by name, and how each is told what a step is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from its_agent.graphs.scales import Scale
from its_agent.search import (
    ABMCTS,
    DVTS,
    MCTS,
    BeamSearch,
    Beta,
    Gaussian,
    ParticleFilter,
    Rebase,
    Search,
    StepsToGo,
    a_star,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A search, and the scores that it takes: log-probabilities as they are, unless it says."""

    search: Search
    by_path: bool = False
    """Log-probabilities are told as the mean of the whole path, and not of the step."""
    likelihood_as: Scale = "log_probability"
    judged: Search | None = None
    """The search as it is set for other scores; None where that makes no difference."""
    judged_as: Scale | None = None
    """How other scores than log-probabilities are told; None for as they are, which is enough for
    an algorithm that only ranks them."""

    def search_by(self, scale: Scale) -> Search:
        """The search for scores that are read on that scale."""
        return self.search if scale == "log_probability" else self.judged or self.search

    def told(self, scale: Scale) -> Scale:
        """The scale on which it is told scores that are read on `scale`."""
        return self.likelihood_as if scale == "log_probability" else self.judged_as or scale


PROBABILITY = (0.0, 1.0)
_PARTICLES = ParticleFilter(particles=6, temperature=0.1, max_depth=16)
_MCTS = MCTS(expansion=3, exploration=0.1, batch=2, samples=72, solutions=2, max_depth=16)
_AB_MCTS = ABMCTS(batch=4, samples=32, prior=Gaussian(mean=0.85, tau2=0.01), max_depth=16)

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        "beam": Algorithm(search=BeamSearch(width=2, expansion=3, max_depth=16), by_path=True),
        "a_star": Algorithm(
            search=a_star(
                expansion=3,
                max_depth=16,
                solutions=2,
                cost_to_go=StepsToGo(expected_steps=6, step_cost=0.05),
            ),
            judged_as="log_probability",
        ),
        "dvts": Algorithm(search=DVTS(subtrees=2, expansion=3, max_depth=16), by_path=True),
        "rebase": Algorithm(
            search=Rebase(width=6, temperature=0.1, max_depth=16), judged_as="probability"
        ),
        "particle_filter": Algorithm(
            search=_PARTICLES,
            judged=replace(_PARTICLES, temperature=1.0),
            judged_as="log_odds",
        ),
        "entropic_particle_filter": Algorithm(
            search=replace(_PARTICLES, annealed=True),
            judged=replace(_PARTICLES, temperature=1.0, annealed=True),
            judged_as="log_odds",
        ),
        "mcts": Algorithm(
            search=_MCTS,
            judged=replace(_MCTS, exploration=0.3, score_range=PROBABILITY),
            judged_as="probability",
        ),
        "ab_mcts": Algorithm(
            search=_AB_MCTS,
            judged=replace(_AB_MCTS, prior=Beta(), score_range=PROBABILITY),
            judged_as="probability",
        ),
    }
)
"""Costs of A* are -log p, so that a path's cost is that of its steps' joint probability (2505.13672
adds scores up); REBASE takes the softmax of rewards (2408.00724), particles are drawn by that of
their logits (2502.01618), which is in proportion to the odds."""
