"""Tools that a solve may use: what the model is told of them, and how they are run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools import tool as as_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from its_agent.errors import InvalidOption
from its_agent.solution import Message
from its_agent.tool_calls import ToolCall

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "its_read_only"
_HINTS = ("read_only", "readOnlyHint")
"""What the metadata of tools that change nothing say, the second those of MCP servers."""


def read_only(function: F) -> F:
    """Mark a function as one that changes nothing, so that every attempt may call it by itself, and
    its results may be used again."""
    setattr(function, _MARK, True)
    return function


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a call came to."""

    call: ToolCall
    content: str
    """What the model is told."""
    failed: bool = False
    seconds: float = 0.0

    @property
    def message(self) -> Message:
        """The turn in which the model is told."""
        return {"role": "tool", "tool_call_id": self.call.id, "content": self.content}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool."""

    name: str
    told: Mapping[str, Any]
    """What the model is told of it: the OpenAI form of a function."""
    acts: bool
    """It is not known to change nothing: a call is made once, after the vote."""
    runs: BaseTool

    async def run(self, call: ToolCall) -> Ran:
        """Run it; whatever goes wrong in it is said to the model, and never raised."""
        if call.values is None:
            return Ran(call=call, content="error: the arguments are no JSON object", failed=True)
        try:
            result: object = await self.runs.ainvoke(dict(call.values))
        except (ToolException, ValidationError) as refusal:
            return Ran(call=call, content=f"error: {refusal}", failed=True)
        except Exception as error:  # noqa: BLE001
            # A tool is the caller's code, and its failure is something that the model can go by.
            return Ran(call=call, content=f"error: {type(error).__name__}: {error}", failed=True)
        return Ran(call=call, content=_said(result))


def tools_of(given: Iterable[BaseTool | Callable[..., Any]]) -> dict[str, Tool]:
    """Read LangChain tools, and functions with type hints and a docstring, by their names.

    A LangChain tool is read-only where its metadata say `read_only` or `readOnlyHint`, a function
    where it is marked by `read_only`. Raises InvalidOption.
    """
    tools: dict[str, Tool] = {}
    for one in given:
        made = _tool(one)
        if made.name in tools:
            raise InvalidOption(f"there are two tools named {made.name!r}; give each its own name")
        tools[made.name] = made
    return tools


def asking(text: str, calls: Iterable[ToolCall]) -> Message:
    """The assistant's turn that makes calls."""
    functions = [
        {
            "id": one.id,
            "type": "function",
            "function": {"name": one.name, "arguments": one.arguments},
        }
        for one in calls
    ]
    return {"role": "assistant", "content": text, "tool_calls": functions}


def _tool(given: BaseTool | Callable[..., Any]) -> Tool:
    runs = given if isinstance(given, BaseTool) else _of_function(given)
    metadata = runs.metadata or {}
    is_read_only = getattr(given, _MARK, False) or any(metadata.get(hint) for hint in _HINTS)
    return Tool(
        name=runs.name,
        told=convert_to_openai_tool(runs),
        acts=not is_read_only,
        runs=runs,
    )


def _of_function(given: object) -> BaseTool:
    if not callable(given):
        raise InvalidOption(
            f"a tool is a LangChain tool or a function, got {type(given).__name__}: {given!r}"
        )
    try:
        return as_tool(given)
    except ValueError as error:
        raise InvalidOption(f"{given!r} is no tool: {error}") from error


def _said(result: object) -> str:
    if isinstance(result, str):
        return result
    try:
        return json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(result)
