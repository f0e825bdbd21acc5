"""The graph that a LangGraph server opens by this module's path; see examples/langgraph.json."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from its_agent.agent import Agent


@asynccontextmanager
async def graph() -> AsyncGenerator[CompiledStateGraph[Any, Any, Any, Any]]:
    """An agent on the server at ITS_BASE_URL, whose solves may be granted more compute."""
    async with Agent() as agent:
        yield agent.graph(approve=True)
