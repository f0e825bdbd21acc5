"""Doors for others: a LangChain chat model, agent middleware that keeps a budget or spends it well,
and a tool that solves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from its_agent.integrations.budget_middleware import BudgetMiddleware
    from its_agent.integrations.chat_model import ChatITS
    from its_agent.integrations.its_middleware import ITSMiddleware
    from its_agent.integrations.solving_tool import solve_tool

__all__ = ["BudgetMiddleware", "ChatITS", "ITSMiddleware", "solve_tool"]

_HOMES = {
    "BudgetMiddleware": "budget_middleware",
    "ChatITS": "chat_model",
    "ITSMiddleware": "its_middleware",
    "solve_tool": "solving_tool",
}


def __getattr__(name: str) -> object:
    # LangChain is slow to import; who wants one door does not wait for the others.
    if name in _HOMES:
        return getattr(import_module(f"its_agent.integrations.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
