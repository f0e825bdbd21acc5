"""How hard a reasoning model is to think: the same for every request of a solve."""

from __future__ import annotations

from dataclasses import replace

from its_agent.backends.metered import MeteredBackend
from its_agent.backends.protocol import Request
from its_agent.graphs.context import Settings


def with_effort(settings: Settings, door: MeteredBackend, request: Request) -> Request:
    """The request with the effort that the settings ask for, as far as the server goes along."""
    budget = settings.thinking_tokens if door.can("thinking_budget") else None
    return replace(request, thinking=settings.thinking, thinking_tokens=budget)
