"""Strategies that search a tree of partial solutions, each with its paper."""

from __future__ import annotations

from its_agent.policy.fixed import SearchOnly
from its_agent.policy.strategy import STEPS, Strategy

SEARCHES = (
    Strategy(
        name="search",
        summary="tree search over steps, by beam",
        policy=SearchOnly(),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="beam",
        summary="beam search over steps, scored by log-probability (arXiv 2408.03314)",
        policy=SearchOnly(algorithm="beam"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="a_star",
        summary="best-first search over steps by cost so far and to go (arXiv 2505.13672)",
        policy=SearchOnly(algorithm="a_star"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="dvts",
        summary="independent greedy subtrees, whose ends vote (search-and-learn)",
        policy=SearchOnly(algorithm="dvts"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="rebase",
        summary="width shared by the softmax of step scores (arXiv 2408.00724)",
        policy=SearchOnly(algorithm="rebase"),
        needs=STEPS,
        cost="until the tree is done",
    ),
    Strategy(
        name="particle_filter",
        summary="partial solutions resampled by step score (arXiv 2502.01618)",
        policy=SearchOnly(algorithm="particle_filter"),
        needs=STEPS,
        cost="until all particles are done",
    ),
    Strategy(
        name="entropic_particle_filter",
        summary="the same, less sure of early scores",
        policy=SearchOnly(algorithm="entropic_particle_filter"),
        needs=STEPS,
        cost="until all particles are done",
    ),
    Strategy(
        name="mcts",
        summary="Monte-Carlo tree search over steps, by upper confidence bounds (UCT)",
        policy=SearchOnly(algorithm="mcts"),
        needs=STEPS,
        cost="until two solutions are found",
    ),
    Strategy(
        name="ab_mcts",
        summary="wider or deeper, by Thompson sampling at every node (arXiv 2503.04412)",
        policy=SearchOnly(algorithm="ab_mcts"),
        needs=STEPS,
        cost="32 steps, or the budget",
    ),
)
