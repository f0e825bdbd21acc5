"""The whole solve: estimate → route → a path → verify → route … until nothing more pays."""

from __future__ import annotations

from typing import Literal

from langgraph.graph import START, StateGraph

from its_agent.graphs.attempts import attempts
from its_agent.graphs.context import Context
from its_agent.graphs.estimate import estimate
from its_agent.graphs.refine import refine
from its_agent.graphs.route import next_path, route
from its_agent.graphs.search import search
from its_agent.graphs.single_pass import single_pass
from its_agent.graphs.state import State
from its_agent.graphs.verify import verify
from its_agent.policy import strategy_named

STEPS = {"single_pass": single_pass, "attempts": attempts}
"""Paths that are one superstep."""
PATHS = {"refine": refine, "search": search}
"""Paths of several supersteps, each a graph of its own."""


def solve_graph() -> StateGraph[State, Context, State, State]:
    """Build the graph, uncompiled; run it with a Context."""
    graph = StateGraph(State, Context)
    graph.add_node(estimate)
    graph.add_node(route)
    graph.add_node(verify)
    graph.add_conditional_edges(START, begin)
    graph.add_edge("estimate", "route")
    graph.add_conditional_edges("route", next_path)
    for step in STEPS.values():
        graph.add_node(step)
    for name, build in PATHS.items():
        graph.add_node(name, build().compile())
    for name in (*STEPS, *PATHS):
        graph.add_edge(name, "verify")
    graph.add_conditional_edges("verify", worth_more)
    return graph


# The routers are coroutines since LangGraph would run plain functions in a thread each.


async def begin(state: State) -> Literal["estimate", "route"]:
    """Estimate the difficulty where the strategy has use for it."""
    return "estimate" if strategy_named(state.strategy).estimates else "route"


async def worth_more(state: State) -> Literal["route", "__end__"]:
    """End where the solve was cut off; whether more pays is the policy's to say."""
    return "route" if state.stopped_because is None else "__end__"
