"""What the next superstep may cost, written into the state before it is bought.

A run that is killed and resumed charges it in full: nobody can say how much of it the engine made.
"""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.backends.protocol import Request
from its_agent.budget import Usage
from its_agent.errors import BackendError, BudgetExceeded, PromptTooLong
from its_agent.graphs.context import Context
from its_agent.graphs.effort import with_effort
from its_agent.graphs.state import Plain, flat


async def intent(context: Context, requests: Sequence[Request]) -> Plain | None:
    """Add up the worst case of these requests; None where nothing is checkpointed."""
    if not context.durable:
        return None
    worst = Usage()
    for request in requests:
        try:
            worst += await context.door.worst(with_effort(context, request))
        except (BackendError, BudgetExceeded, PromptTooLong):
            # It will not be sent either; the purchase meets the same trouble and tells it.
            continue
    return flat(worst)
