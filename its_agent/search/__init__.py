"""Step-level search as ask/tell over an explicit tree: beam and best-first (A*)."""

from its_agent.search.beam import BeamSearch
from its_agent.search.best_first import BestFirst, Cost, MeanCost, PathCost, StepsToGo, a_star
from its_agent.search.protocol import Search
from its_agent.search.state import Expansion, PlainState, SearchState
from its_agent.search.tree import LOST, ROOT, Node, PlainTree, StepResult, Tree

__all__ = [
    "LOST",
    "ROOT",
    "BeamSearch",
    "BestFirst",
    "Cost",
    "Expansion",
    "MeanCost",
    "Node",
    "PathCost",
    "PlainState",
    "PlainTree",
    "Search",
    "SearchState",
    "StepResult",
    "StepsToGo",
    "Tree",
    "a_star",
]
