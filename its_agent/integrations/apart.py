"""Work apart from the host's run: its callbacks neither see nor count what goes on inside."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

from langchain_core.runnables.config import var_child_runnable_config

T = TypeVar("T")


def begun_apart(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task that knows of no LangChain run around it; other context variables stay.

    A host that adds up the usage of what it calls would count every request of a solve besides
    what the solve reports, and a host that streams would show candidates that are discarded.
    """
    context = copy_context()
    context.run(var_child_runnable_config.set, None)
    return asyncio.get_running_loop().create_task(work, context=context)
