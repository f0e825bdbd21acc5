"""attempts: one wave of independent samples, all of one prompt."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from its_agent.graphs.context import Context
from its_agent.graphs.single_pass import buy_samples
from its_agent.graphs.state import State, Update


def attempts() -> StateGraph[State, Context, State, State]:
    """Build the path: one wave. Whether another one pays is for the router to say."""
    graph = StateGraph(State, Context)
    graph.add_node(wave)
    graph.add_edge(START, "wave")
    graph.add_edge("wave", END)
    return graph


async def wave(state: State, runtime: Runtime[Context]) -> Update:
    """Take the wave's samples at once."""
    return await buy_samples(state, runtime.context, path="attempts")
