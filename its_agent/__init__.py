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
    from its_agent.agent import Agent
    from its_agent.one_call import solve

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


_LATER = {"Agent": "its_agent.agent", "solve": "its_agent.one_call"}


def __getattr__(name: str) -> object:
    # The agent brings in LangGraph; whoever only needs the values does not wait for it.
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
