"""A chat model for agents that says what a script tells it to, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from langchain import agents
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, SkipValidation

from its_agent.integrations.structured import Tool

Line: TypeAlias = AIMessage | Exception
Speak: TypeAlias = Callable[[list[BaseMessage], dict[str, Any]], Line]


def agent_of(model: BaseChatModel, tools: Sequence[Any] = (), **options: Any) -> Any:
    """An agent of langchain's."""
    return agents.create_agent(model, list(tools), **options)


class Scripted(BaseChatModel):
    """Says its lines in order, or what its function makes of the messages; an error is raised."""

    script: SkipValidation[Sequence[Line] | Speak]
    model_config = ConfigDict(arbitrary_types_allowed=True)

    asked: list[dict[str, Any]] = []

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Tool], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        names = [tool.name if isinstance(tool, BaseTool) else str(tool) for tool in tools]
        return self.bind(tools=names, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        place = len(self.asked)
        self.asked.append({"messages": messages, **kwargs})
        line = self.script(messages, kwargs) if callable(self.script) else self.script[place]
        if isinstance(line, Exception):
            raise line
        return ChatResult(generations=[ChatGeneration(message=line.model_copy())])


def used(prompt: int, completion: int, cached: int = 0) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=prompt + completion,
        input_token_details={"cache_read": cached},
    )


def says(text: str, prompt: int = 100, completion: int = 20) -> AIMessage:
    return AIMessage(text, usage_metadata=used(prompt, completion))


def calls(name: str, prompt: int = 100, completion: int = 20, **args: Any) -> AIMessage:
    call = {"name": name, "args": args, "id": f"{name}_{args}", "type": "tool_call"}
    return AIMessage("", tool_calls=[call], usage_metadata=used(prompt, completion))
