"""Tools in a chat completion request: what may be called, and what was called before."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class Asked(BaseModel):
    """What a client sent; what is not known here is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Function(Asked):
    """A function that the model may call."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON schema of its arguments."""
    strict: bool | None = None


class Tool(Asked):
    """A tool, which is a function."""

    type: Literal["function"]
    function: Function


class FunctionName(Asked):
    """One of the functions."""

    name: str


class NamedTool(Asked):
    """The one tool that is to be called."""

    type: Literal["function"]
    function: FunctionName


ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedTool


class CalledFunction(Asked):
    """What was called, and with what."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""


class EarlierCall(Asked):
    """A call of an earlier turn."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction
