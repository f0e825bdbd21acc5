"""What is the same for every request of a solve: how hard to think, and how to sample."""

from __future__ import annotations

from dataclasses import replace

from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Request
from its_agent.graphs.context import Settings


def one_by_one(door: MeteredBackend, request: Request) -> list[Request]:
    """The request, or one for each of its samples where the server knows no `n`."""
    if request.n == 1 or door.can("n"):
        return [request]
    return [replace(request, n=1)] * request.n


def with_effort(settings: Settings, door: MeteredBackend, request: Request) -> Request:
    """The request with what the settings ask for, the effort as far as the server goes along."""
    budget = settings.thinking_tokens if door.can("thinking_budget") else None
    return replace(
        request,
        thinking=settings.thinking,
        thinking_tokens=budget,
        sampling=settings.sampling,
    )
