"""Structured output of the chat model: held to a schema, or by a tool call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal, TypeAlias, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    JsonOutputParser,
    PydanticOutputParser,
)
from langchain_core.output_parsers.openai_tools import (
    JsonOutputKeyToolsParser,
    PydanticToolsParser,
)
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from its_agent.errors import InvalidOption

Method = Literal["json_schema", "function_calling", "json_mode"]
METHODS: tuple[Method, ...] = ("json_schema", "function_calling", "json_mode")
Schema: TypeAlias = dict[str, Any] | type
Tool: TypeAlias = dict[str, Any] | type | Callable[..., Any] | BaseTool


def structured(
    model: BaseChatModel,
    schema: Schema,
    *,
    method: Method,
    include_raw: bool,
    strict: bool | None,
) -> Runnable[LanguageModelInput, Any]:
    """Make a runnable that gives what the schema describes. Raises InvalidOption."""
    if method not in METHODS:
        raise InvalidOption(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if method == "function_calling":
        bound, parser = _by_call(model, schema, strict)
    else:
        bound, parser = _by_schema(model, schema, method, strict)
    return _with_raw(bound, parser) if include_raw else bound | parser


def function_of(tool: Tool, *, strict: bool | None = None) -> dict[str, Any]:
    """Write a tool in the OpenAI form. Raises InvalidOption for one that is not a function."""
    written = convert_to_openai_tool(tool, strict=strict)
    if written.get("type") != "function":
        raise InvalidOption(f"tools must be functions, got one of type {written.get('type')!r}")
    return written


def choice_of(
    tool_choice: str | bool | Mapping[str, Any] | None, tools: Sequence[Mapping[str, Any]]
) -> str | Mapping[str, Any] | None:
    """Write a choice in the OpenAI form. Raises InvalidOption for a tool that is not bound."""
    names = [str(tool["function"]["name"]) for tool in tools]
    if tool_choice is True or tool_choice in ("any", "required"):
        return "required"
    if tool_choice is False:
        return "none"
    if tool_choice is None or isinstance(tool_choice, Mapping) or tool_choice in ("auto", "none"):
        return tool_choice
    if tool_choice in names:
        return {"type": "function", "function": {"name": tool_choice}}
    raise InvalidOption(
        f"tool_choice {tool_choice!r} is not allowed; give 'auto', 'none', 'any' or one of "
        f"{', '.join(names)}"
    )


def _by_call(
    model: BaseChatModel, schema: Schema, strict: bool | None
) -> tuple[Runnable[LanguageModelInput, AIMessage], BaseOutputParser[Any]]:
    name = function_of(schema)["function"]["name"]
    asked: dict[str, Any] = {} if strict is None else {"strict": strict}
    bound = model.bind_tools(
        [schema],
        tool_choice=name,
        parallel_tool_calls=False,
        ls_structured_output_format=_told(schema, "function_calling", strict),
        **asked,
    )
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return bound, PydanticToolsParser(tools=[schema], first_tool_only=True)
    return bound, JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)


def _by_schema(
    model: BaseChatModel, schema: Schema, method: Method, strict: bool | None
) -> tuple[Runnable[LanguageModelInput, AIMessage], BaseOutputParser[Any]]:
    form: dict[str, Any] = {"type": "json_object"}
    if method == "json_schema":
        plain = convert_to_json_schema(schema, strict=strict)
        named = {"name": plain["title"], "schema": plain, "strict": strict is not False}
        form = {"type": "json_schema", "json_schema": named}
    bound = cast(
        "Runnable[LanguageModelInput, AIMessage]",
        model.bind(response_format=form, ls_structured_output_format=_told(schema, method, strict)),
    )
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return bound, PydanticOutputParser[Any](pydantic_object=schema)
    return bound, JsonOutputParser()


def _told(schema: Schema, method: Method, strict: bool | None) -> dict[str, Any]:
    """What tracers are told of it."""
    return {"kwargs": {"method": method, "strict": strict}, "schema": schema}


def _with_raw(
    bound: Runnable[LanguageModelInput, AIMessage], parser: BaseOutputParser[Any]
) -> Runnable[LanguageModelInput, Any]:
    parsed = RunnablePassthrough[Any].assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    unparsed = RunnablePassthrough[Any].assign(parsed=lambda _: None)
    return RunnableMap[Any](raw=bound) | parsed.with_fallbacks(
        [unparsed], exception_key="parsing_error"
    )
