"""What is used of langchain's agents, which come with an extra of this package."""

from __future__ import annotations

from its_agent.errors import MissingExtra

try:
    from langchain.agents.middleware import (
        AgentMiddleware,
        AgentState,
        ExtendedModelResponse,
        ModelRequest,
        ModelResponse,
        ToolCallRequest,
        hook_config,
    )
    from langchain.agents.middleware.types import OmitFromInput
except ModuleNotFoundError as missing:
    raise MissingExtra(
        "agent middleware needs langchain, which is not installed; install it with: "
        "python -m pip install 'its-agent[langchain]'"
    ) from missing

__all__ = [
    "AgentMiddleware",
    "AgentState",
    "ExtendedModelResponse",
    "ModelRequest",
    "ModelResponse",
    "OmitFromInput",
    "ToolCallRequest",
    "hook_config",
]
