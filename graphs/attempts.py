"""attempts: one wave of independent samples, all of one prompt.

Whether another wave pays is for the router to say.
"""

from __future__ import annotations

from langgraph.runtime import Runtime

from its_agent.graphs.context import Context
from its_agent.graphs.single_pass import buy_samples
from its_agent.graphs.state import State, Update


async def attempts(state: State, runtime: Runtime[Context]) -> Update:
    """Take the wave's samples at once."""
    return await buy_samples(state, runtime.context, path="attempts")
