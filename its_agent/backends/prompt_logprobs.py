"""Reads a given answer on a vLLM server: the log-probabilities of a prompt's own tokens.

vLLM skips its prefix cache for such a request: the whole prompt is read, and charged, each time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from its_agent.backends.endpoint import Endpoint
from its_agent.backends.server import ModelServer
from its_agent.backends.text_reader import TextRead, TextTokens, reading_cost, shared_start
from its_agent.backends.wire import Completion, PromptToken
from its_agent.solution import Message

IMPOSSIBLE = -9999.0
"""What vLLM sends for a log-probability of minus infinity."""

_Told: TypeAlias = Mapping[str, PromptToken] | None


async def tokenized_text(
    server: ModelServer,
    messages: Sequence[Message],
    template: Mapping[str, Any],
    *,
    end_of_turn: bool,
) -> TextTokens:
    """Find where the answer begins: where the conversation up to it, with the template's opening of
    an answer, and the whole conversation part. A token across that border belongs to the answer."""
    opened = await server.tokenize(_body(messages[:-1], template, add_generation_prompt=True))
    tokens = await server.tokenize(_body(messages, template, continue_final_message=True))
    start = shared_start(opened, tokens)
    if end_of_turn:
        closed = await server.tokenize(_body(messages, template))
        # What a template puts after the token that ends a turn, no model ever wrote.
        tokens = closed[: shared_start(tokens, closed) + 1]
    return TextTokens(messages=tuple(messages), tokens=tokens, start=start)


async def read_prompt(
    server: ModelServer, endpoint: Endpoint, text: TextTokens, *, relative_cost: float
) -> TextRead:
    """Have the prompt read, its tokens given by number so that they are those that were counted.

    Raises BackendGarbled where the answer is not about these tokens.
    """
    body = {"prompt": list(text.tokens), "max_tokens": 1, "prompt_logprobs": 0}
    started = time.monotonic()
    answer = await server.ask("/v1/completions", body, Completion, what="a completion")
    seconds = time.monotonic() - started
    told = answer.choices[0].prompt_logprobs if len(answer.choices) == 1 else None
    if told is None or not _is_about(text.tokens, told):
        raise endpoint.garbled(
            f"log-probabilities of the {len(text.tokens)} prompt tokens", answer.model_dump_json()
        )
    usage = replace(reading_cost(len(text.tokens), relative_cost), seconds=seconds)
    answered = zip(text.tokens[text.start :], told[text.start :], strict=True)
    return TextRead(logprobs=tuple(_logprob(*pair) for pair in answered), usage=usage)


def _is_about(tokens: Sequence[int], told: Sequence[_Told]) -> bool:
    if len(tokens) != len(told):
        return False
    return all(at is None or str(token) in at for token, at in zip(tokens, told, strict=True))


def _logprob(token: int, told: _Told) -> float | None:
    logprob = None if told is None else told[str(token)].logprob
    return None if logprob is None or logprob <= IMPOSSIBLE else logprob


def _body(
    messages: Sequence[Message], template: Mapping[str, Any], **rendering: bool
) -> dict[str, Any]:
    return {
        "messages": [dict(message) for message in messages],
        "add_generation_prompt": False,
        **rendering,
        **({"chat_template_kwargs": dict(template)} if template else {}),
    }
