"""The tools of an order: what may be called, and how it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from its_agent.integrations.gateway.chat_request import ChatRequest
from its_agent.integrations.gateway.refusal import bad
from its_agent.integrations.gateway.tool_request import NamedTool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Functions in the OpenAI form; None leaves a choice to the engine."""

    functions: tuple[Mapping[str, Any], ...]
    choice: str | Mapping[str, Any] | None
    parallel: bool | None


def tools_of(asked: ChatRequest) -> Tools | None:
    """Read them. Raises Refusal for a choice that is none, and a schema for the answer beside."""
    choice = asked.tool_choice
    if not asked.tools:
        if choice not in (None, "none"):
            raise bad("tool_choice", "it goes with tools; give some, or leave it out")
        return None
    if asked.response_format is not None:
        raise bad("response_format", "it cannot be combined with tools; ask for one of them")
    names = [tool.function.name for tool in asked.tools]
    if len(set(names)) < len(names):
        raise bad("tools", "two of them have the same name")
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise bad("tool_choice", f"there is no such tool; there are {', '.join(names)}")
    return Tools(
        functions=tuple(tool.model_dump(exclude_none=True) for tool in asked.tools),
        choice=choice.model_dump() if isinstance(choice, NamedTool) else choice,
        parallel=asked.parallel_tool_calls,
    )
