"""What the next superstep may cost, written into the state before it is bought.

A run that is killed and resumed charges it in full: nobody can say how much of it the engine made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from its_agent.backends.protocol import Request
from its_agent.budget import Usage
from its_agent.errors import BackendError, BudgetExceeded, PromptTooLong
from its_agent.graphs.context import Context
from its_agent.graphs.effort import one_by_one, with_effort
from its_agent.graphs.state import Plain, flat

_NOTHING = Usage()


async def intent(
    context: Context,
    requests: Sequence[Request],
    *,
    model: str = "",
    beside: Usage = _NOTHING,
    most: float | None = None,
) -> Plain | None:
    """Add up the worst case of these requests and of what is asked `beside` them; None where
    nothing is checkpointed. It is no more than what is left, here and of a path's share (`most`):
    more cannot be reserved."""
    if not context.durable:
        return None
    worst, door = beside, context.model(model).door
    for request in requests:
        for one in one_by_one(door, with_effort(context.settings, door, request)):
            try:
                worst += await door.worst(one)
            except (BackendError, BudgetExceeded, PromptTooLong):
                # It will not be sent either; the purchase meets the same trouble and tells it.
                continue
    left = context.ledger.unspent
    compute = [limit for limit in (left.compute, most) if limit is not None]
    count = worst.requests if left.requests is None else min(worst.requests, left.requests)
    return flat(
        replace(
            worst, compute=max(0, min([worst.compute, *map(int, compute)])), requests=max(0, count)
        )
    )
