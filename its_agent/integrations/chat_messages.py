"""LangChain's messages read as a problem, and a solution written as one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    InvalidToolCall,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall as LangChainCall
from langchain_core.messages.tool import ToolCallChunk

from its_agent.calling.votes import Called
from its_agent.errors import InvalidProblem
from its_agent.receipt import Receipt
from its_agent.solution import Candidate, Message, Solution
from its_agent.tool_calls import ToolCall, call_id


def problem_messages(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """Write messages in the OpenAI form. Raises InvalidProblem for content that is not text."""
    return tuple(_plain(message) for message in messages)


def _plain(message: BaseMessage) -> Message:
    if isinstance(message, AIMessage):
        return _turn(message)
    plain: dict[str, Any] = convert_to_openai_messages(message, text_format="string")
    content: Any = plain.get("content") or ""
    if not isinstance(content, str):
        kinds = sorted({str(block.get("type")) for block in content} - {"text"})
        raise InvalidProblem(
            f"a {message.type} message holds {', '.join(kinds)}; only text can be given to ChatITS"
        )
    return {**plain, "content": content}


def _turn(message: AIMessage) -> Message:
    """What the model itself said: its thinking is left out, as templates do."""
    calls = [
        {
            "id": one["id"],
            "type": "function",
            "function": {
                "name": one["name"],
                "arguments": json.dumps(one["args"], ensure_ascii=False),
            },
        }
        for one in message.tool_calls
    ]
    named = {"name": message.name} if message.name else {}
    called = {"tool_calls": calls} if calls else {}
    return {"role": "assistant", "content": str(message.text), **named, **called}


def reply(called: Called, *, content: str) -> AIMessage:
    """The message for a solution, with everything that its solve used."""
    calls, invalid = _calls(called)
    chosen = chosen_of(called.solution)
    return AIMessage(
        content=content,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage_of(called.solution),
        response_metadata=metadata(called),
        additional_kwargs=thinking_of(chosen),
    )


def last_chunk(called: Called, *, content: str, calls: Sequence[ToolCall]) -> AIMessageChunk:
    """The last piece of a streamed answer: what was not shown yet, and all that is known of it."""
    return AIMessageChunk(
        content=content,
        tool_call_chunks=[
            ToolCallChunk(
                type="tool_call_chunk",
                index=index,
                id=call_id(one.id),
                name=one.name,
                args=one.arguments,
            )
            for index, one in enumerate(calls)
        ],
        usage_metadata=usage_of(called.solution),
        response_metadata=metadata(called),
        additional_kwargs=thinking_of(chosen_of(called.solution)),
        chunk_position="last",
    )


def chosen_of(solution: Solution) -> Candidate | None:
    """The candidate whose text the solution has."""
    best = [c for c in solution.candidates if c.text == solution.text]
    return max(best, key=lambda c: c.confidence, default=None)


def thinking_of(chosen: Candidate | None) -> dict[str, Any]:
    """What a reasoning model thought, where integrations look for it."""
    return {"reasoning_content": chosen.thinking} if chosen and chosen.thinking else {}


def usage_of(solution: Solution) -> UsageMetadata:
    """All tokens of the solve, those of discarded candidates and of judges among them."""
    spent = solution.receipt.spent
    usage = UsageMetadata(
        input_tokens=spent.prompt_tokens,
        output_tokens=spent.completion_tokens,
        total_tokens=spent.prompt_tokens + spent.completion_tokens,
        input_token_details={"cache_read": spent.cached_prompt_tokens},
    )
    thinking = sum(int(c.signals.get("thinking_tokens", 0)) for c in solution.candidates)
    if thinking:
        usage["output_token_details"] = {"reasoning": thinking}
    return usage


def metadata(called: Called) -> dict[str, Any]:
    """What a caller may want to know of the answer, as plain data."""
    solution = called.solution
    return {
        "model_name": solution.receipt.engine.model,
        "finish_reason": _finish(called),
        "answer": None if called.calls else solution.answer,
        "confidence": solution.confidence,
        "status": solution.status,
        "receipt": plain_receipt(solution.receipt),
    }


def plain_receipt(receipt: Receipt) -> Mapping[str, Any]:
    """A receipt as JSON reads it back: nothing that a checkpoint could not hold."""
    plain: Mapping[str, Any] = json.loads(receipt.to_json())
    return plain


def _finish(called: Called) -> str:
    if called.calls:
        return "length" if called.is_cut else "tool_calls"
    chosen = chosen_of(called.solution)
    return "length" if chosen is not None and chosen.finish != "stop" else "stop"


def _calls(called: Called) -> tuple[list[LangChainCall], list[InvalidToolCall]]:
    valid: list[LangChainCall] = []
    invalid: list[InvalidToolCall] = []
    for one in called.calls:
        values, name = one.values, call_id(one.id)
        if values is not None and one.name and not called.is_cut:
            valid.append(LangChainCall(name=one.name, args=dict(values), id=name, type="tool_call"))
        else:
            invalid.append(
                InvalidToolCall(
                    type="invalid_tool_call",
                    name=one.name,
                    args=one.arguments,
                    id=name,
                    error="the call was cut off"
                    if called.is_cut
                    else "the arguments are not a JSON object",
                )
            )
    return valid, invalid
