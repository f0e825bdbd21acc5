"""Inference-time compute, spent where it pays, inside one hard budget."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from its_agent.budget import Budget, Prices, Usage
from its_agent.ledger import Ledger
from its_agent.receipt import Receipt, Step
from its_agent.solution import Candidate, Problem, Solution
from its_agent.stop_signal import StopSignal

if TYPE_CHECKING:
    from its_agent.agent import Agent, solve

__all__ = (
    "Agent",
    "Budget",
    "Candidate",
    "Ledger",
    "Prices",
    "Problem",
    "Receipt",
    "Solution",
    "Step",
    "StopSignal",
    "Usage",
    "solve",
)


def __getattr__(name: str) -> object:
    # The agent brings in LangGraph; whoever only needs the values does not wait for it.
    if name in ("Agent", "solve"):
        return getattr(import_module("its_agent.agent"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
