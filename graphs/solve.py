"""The whole solve: estimate → route → a path → verify → route … until nothing more pays."""

from __future__ import annotations

from langgraph.graph import START, StateGraph

from its_agent.graphs.attempts import attempts
from its_agent.graphs.context import Context
from its_agent.graphs.estimate import estimate
from its_agent.graphs.forcing import thinking
from its_agent.graphs.judging import judging
from its_agent.graphs.refine import refine
from its_agent.graphs.route import route
from its_agent.graphs.search import search
from its_agent.graphs.single_pass import single_pass
from its_agent.graphs.state import State
from its_agent.graphs.verify import verify

STEPS = {"single_pass": single_pass, "attempts": attempts, "judging": judging}
"""Paths that are one superstep."""
PATHS = {"refine": refine, "search": search, "thinking": thinking}
"""Paths of several supersteps, each a graph of its own."""


def solve_graph(*, estimates: bool = True) -> StateGraph[State, Context, State, State]:
    """Build the graph, uncompiled; run it with a Context.

    `estimates` puts the estimate of difficulty first, for strategies that have use for it. `route`
    and `verify` name the node that comes next themselves: a conditional edge would have LangGraph
    read the whole state once more each time.
    """
    graph = StateGraph(State, Context)
    graph.add_node(route)
    graph.add_node(verify)
    if estimates:
        graph.add_node(estimate)
        graph.add_edge("estimate", "route")
    graph.add_edge(START, "estimate" if estimates else "route")
    for step in STEPS.values():
        graph.add_node(step)
    for name, build in PATHS.items():
        graph.add_node(name, build().compile())
    for name in (*STEPS, *PATHS):
        graph.add_edge(name, "verify")
    return graph
