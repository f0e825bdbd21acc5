"""What a chat model's answer has used, as far as it tells; what it does not tell is estimated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.tools import BaseTool

from its_agent.backends.estimate import estimate_prompt, estimate_tokens
from its_agent.budget import Usage, compute_units

RECEIPT = "receipt"
"""Where an answer that took several requests says what all of them used."""
_OVERHEAD = 8


def usage_of_answers(messages: Sequence[BaseMessage], *, prompt: int) -> Usage:
    """What one call of a model has used, by the answers that it gave."""
    answers = [message for message in messages if isinstance(message, AIMessage)]
    return sum((usage_of_answer(one, prompt=prompt) for one in answers), Usage())


def usage_of_answer(message: AIMessage, *, prompt: int) -> Usage:
    """What an answer has used, all requests for it included; `prompt` is taken for the tokens of
    its prompt where it tells none."""
    receipt: dict[str, Any] = message.response_metadata.get(RECEIPT) or {}
    if "spent" in receipt:
        return Usage(**receipt["spent"])
    if message.usage_metadata is not None:
        return usage_from(message.usage_metadata)
    return priced(prompt, 0, estimate_tokens(_written(message)))


def usage_from(told: UsageMetadata) -> Usage:
    """Usage as LangChain tells it, of one request."""
    return priced(told["input_tokens"], _cached(told), told["output_tokens"])


def priced(prompt: int, cached: int, completion: int) -> Usage:
    """One request, at one compute unit for a token that the cache does not serve."""
    return Usage(
        prompt_tokens=prompt,
        cached_prompt_tokens=cached,
        completion_tokens=completion,
        requests=1,
        compute=compute_units(prompt=prompt, cached=cached, completion=completion),
    )


def _cached(told: UsageMetadata | None) -> int:
    return told.get("input_token_details", {}).get("cache_read") or 0 if told else 0


def next_call(messages: Sequence[BaseMessage], *, tools: Sequence[Any] = ()) -> Usage:
    """What the next call is expected to use: its prompt, of which the cache serves what it has
    served last, and as much as the longest answer so far."""
    told = [m.usage_metadata for m in messages if isinstance(m, AIMessage) and m.usage_metadata]
    longest = max((one["output_tokens"] for one in told), default=0)
    prompt = expected_prompt(messages, tools=tools)
    return priced(prompt, min(_served_last(messages), prompt), longest)


def _served_last(messages: Sequence[BaseMessage]) -> int:
    """Prompt tokens that the cache served for the last answer; none where that took several
    requests, as their sum is no prompt's."""
    answers = [message for message in messages if isinstance(message, AIMessage)]
    if not answers or _told(answers[-1]) is None:
        return 0
    return _cached(answers[-1].usage_metadata)


def expected_prompt(messages: Sequence[BaseMessage], *, tools: Sequence[Any] = ()) -> int:
    """Tokens of the prompt that these make: the count of the last answer, where that is of one
    request, and an estimate from above of what has come since; else an estimate of all."""
    for place in range(len(messages) - 1, -1, -1):
        told = _told(messages[place])
        if told is not None:
            since = messages[place + 1 :]
            return told + sum(_OVERHEAD + estimate_tokens(_written(one)) for one in since)
    return upper_prompt(messages, tools=tools)


def _told(message: BaseMessage) -> int | None:
    if not isinstance(message, AIMessage) or RECEIPT in message.response_metadata:
        return None
    return message.usage_metadata["total_tokens"] if message.usage_metadata else None


def upper_prompt(messages: Sequence[BaseMessage], *, tools: Sequence[Any] = ()) -> int:
    """Tokens of a prompt, estimated from above."""
    plain = [{"content": _written(message)} for message in messages]
    return estimate_prompt(plain, [{"tool": _described(tool)} for tool in tools])


def _written(message: BaseMessage) -> str:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return str(message.text) + "".join(f"{one['name']}{one['args']}" for one in calls)


def _described(tool: Any) -> str:
    if isinstance(tool, BaseTool):
        return f"{tool.name}{tool.description}{tool.args}"
    return str(tool)
