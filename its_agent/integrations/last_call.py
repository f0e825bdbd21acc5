"""How a model call is made when the budget gets short: with a word, or as the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage

from its_agent.budget import Budget
from its_agent.integrations.agents import ModelRequest, ModelResponse
from its_agent.integrations.chat_model import ChatITS
from its_agent.integrations.message_usage import next_call
from its_agent.integrations.run_account import RunAccount, Shares, Standing
from its_agent.prompts import render

Request: TypeAlias = ModelRequest[Any]
_CALL_BLOCKS = ("tool_use", "tool_call", "function_call", "tool_call_chunk")


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetedCall:
    """A call as it is to be made."""

    request: Request
    prompt: int
    """Tokens that its prompt is expected to have."""
    is_last: bool


def budgeted(request: Request, account: RunAccount, shares: Shares) -> BudgetedCall:
    """Fit a call to what is left. Raises BudgetExceeded where not even an answer fits."""
    expected = next_call(_whole(request), tools=request.tools)
    refusal = account.refusal(expected)
    if refusal is not None:
        raise refusal
    standing = account.standing(expected, shares)
    told = _told(request, standing, account)
    if standing == "last":
        room = account.room_for_answer(expected)
        told = _without_tools(told, room)
    return BudgetedCall(
        request=_within_account(told, account),
        prompt=expected.prompt_tokens,
        is_last=standing == "last",
    )


def without_calls(response: ModelResponse[Any]) -> ModelResponse[Any]:
    """The response of a last call without tool calls that a model made up; those of a structured
    answer have been read by then."""
    if response.structured_response is not None:
        return response
    return replace(response, result=[_said(message) for message in response.result])


def _whole(request: Request) -> list[BaseMessage]:
    head = [request.system_message] if request.system_message else []
    return [*head, *request.messages]


def _told(request: Request, standing: Standing, account: RunAccount) -> Request:
    """With a word at the end, where the prompt cache still serves all before it."""
    if standing not in ("short", "last"):
        return request
    note = HumanMessage(render(f"budget_{standing}", left=account.report()))
    messages: list[AnyMessage] = [*request.messages, note]
    return request.override(messages=messages)


def _without_tools(request: Request, room: int | None) -> Request:
    asked: int | None = request.model_settings.get("max_tokens")
    limits = [limit for limit in (asked, room) if limit is not None]
    bounded = {"max_tokens": min(limits)} if limits else {}
    return request.override(
        tools=[], tool_choice=None, model_settings={**request.model_settings, **bounded}
    )


def _within_account(request: Request, account: RunAccount) -> Request:
    """A model that solves gets no more for its answer than the run has left."""
    left = account.left.compute
    if not isinstance(request.model, ChatITS) or left is None:
        return request
    own = Budget.of(request.model.max_compute_budget)
    budget = replace(own, compute=left if own.compute is None else min(own.compute, left))
    return request.override(model_settings={**request.model_settings, "max_compute_budget": budget})


def _said(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, AIMessage) or not (message.tool_calls or message.invalid_tool_calls):
        return message
    raw = ("tool_calls", "function_call")
    return message.model_copy(
        update={
            "content": _without_call_blocks(message.content),
            "tool_calls": [],
            "invalid_tool_calls": [],
            "additional_kwargs": {
                name: value for name, value in message.additional_kwargs.items() if name not in raw
            },
        }
    )


def _without_call_blocks(content: str | Sequence[str | dict[str, Any]]) -> Any:
    if isinstance(content, str):
        return content
    return [b for b in content if isinstance(b, str) or b.get("type") not in _CALL_BLOCKS]
