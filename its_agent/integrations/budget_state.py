"""What a budgeted agent keeps in its state, so that a thread goes on where it stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, NotRequired, TypeAlias

from its_agent.budget import Usage
from its_agent.integrations.agents import AgentState, OmitFromInput

Plain: TypeAlias = dict[str, Any]
KEY = "its_budget"


def most(old: Plain | None, new: Plain) -> Plain:
    """Merge what parallel steps say of the same account: what is spent only grows."""
    if not old:
        return new
    spent = {name: max(old["spent"][name], new["spent"][name]) for name in old["spent"]}
    elapsed = max(old["elapsed"], new["elapsed"])
    return {"account": old["account"], "spent": spent, "elapsed": elapsed}


class BudgetState(AgentState[Any]):
    """The state of an agent under a BudgetMiddleware."""

    its_budget: NotRequired[Annotated[Plain, OmitFromInput, most]]
    """Its account's name, what is spent as the fields of a Usage, and seconds of work."""


def spent_in(state: Mapping[str, Any]) -> tuple[str | None, Usage, float]:
    """The account's name, what is spent, and the seconds, as the state has them."""
    plain: Plain | None = state.get(KEY)
    if not plain:
        return None, Usage(), 0.0
    known = {field.name for field in fields(Usage)}
    spent = {name: value for name, value in plain["spent"].items() if name in known}
    return plain["account"], Usage(**spent), plain["elapsed"]
