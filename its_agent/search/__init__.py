"""Step-level search as ask/tell over an explicit tree."""

from its_agent.search.ab_mcts import ABMCTS
from its_agent.search.beam import BeamSearch
from its_agent.search.best_first import BestFirst, Cost, MeanCost, PathCost, StepsToGo, a_star
from its_agent.search.dvts import DVTS
from its_agent.search.mcts import MCTS
from its_agent.search.particles import ParticleFilter
from its_agent.search.posteriors import Beta, Gaussian, Prior
from its_agent.search.protocol import Search
from its_agent.search.rebase import Rebase
from its_agent.search.state import Expansion, PlainState, SearchState
from its_agent.search.tree import LOST, ROOT, Node, PlainTree, StepResult, Tree

__all__ = [
    "ABMCTS",
    "DVTS",
    "LOST",
    "MCTS",
    "ROOT",
    "BeamSearch",
    "BestFirst",
    "Beta",
    "Cost",
    "Expansion",
    "Gaussian",
    "MeanCost",
    "Node",
    "ParticleFilter",
    "PathCost",
    "PlainState",
    "PlainTree",
    "Prior",
    "Rebase",
    "Search",
    "SearchState",
    "StepResult",
    "StepsToGo",
    "Tree",
    "a_star",
]
