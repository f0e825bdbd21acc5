"""A process that solves with checkpoints, to be killed and started again.

    python resumable.py URL STRATEGY BUDGET STORE start|resume

STORE is a PostgreSQL address or the path of an SQLite file. Prints the solution as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from its_agent import Agent, Solution

EGGS = "How many eggs are there in 3 boxes of 6?"
THREAD = "eggs"


@asynccontextmanager
async def saver_at(store: str) -> AsyncGenerator[BaseCheckpointSaver[Any]]:
    """Open the checkpointer for a store."""
    if store.startswith("postgresql:"):
        async with AsyncPostgresSaver.from_conn_string(store) as postgres:
            await postgres.setup()
            yield postgres
    else:
        async with AsyncSqliteSaver.from_conn_string(store) as sqlite:
            await sqlite.setup()
            yield sqlite


async def go_on(url: str, strategy: str, budget: int, store: str, action: str) -> Solution:
    """Start the run, or resume it."""
    async with (
        saver_at(store) as saver,
        Agent(url, strategy=strategy, checkpointer=saver) as agent,
    ):
        if action == "resume":
            return await agent.aresume(THREAD)
        return await agent.asolve(EGGS, max_compute_budget=budget, thread_id=THREAD)


if __name__ == "__main__":
    asked_url, asked_strategy, asked_budget, asked_store, asked_action = sys.argv[1:]
    print(
        asyncio.run(
            go_on(asked_url, asked_strategy, int(asked_budget), asked_store, asked_action)
        ).to_json()
    )
