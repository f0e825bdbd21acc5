"""The caller's own sampling settings: which ones are taken, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from its_agent.errors import InvalidOption

SAMPLING_SETTINGS = frozenset(
    {
        "allowed_token_ids",
        "bad_words",
        "cache_salt",
        "frequency_penalty",
        "ignore_eos",
        "include_reasoning",
        "logit_bias",
        "min_p",
        "min_tokens",
        "presence_penalty",
        "priority",
        "repetition_detection",
        "repetition_penalty",
        "session_id",
        "skip_special_tokens",
        "spaces_between_special_tokens",
        "stop_token_ids",
        "temperature",
        "thinking_token_budget",
        "top_k",
        "top_p",
        "vllm_xargs",
    }
)
_PROMPT = "it changes the prompt, which could then not be counted; use chat_template_kwargs"
_BOUGHT = "the budget decides it"
_OWN = "every request sets it by itself"
_REASONS: Mapping[str, str] = {
    "seed": "a per-request seed kills vLLM's CPU engine, and is no guarantee on a GPU",
    "chat_template": _PROMPT,
    "reasoning_effort": _PROMPT,
    "tools": _PROMPT,
    "documents": _PROMPT,
    "chat_template_kwargs": "it has a keyword of its own: chat_template_kwargs=",
    "n": _BOUGHT,
    "max_tokens": _BOUGHT,
    "max_completion_tokens": _BOUGHT,
    "stream": _OWN,
    "stream_options": _OWN,
    "messages": _OWN,
    "model": "it has a keyword of its own: model=",
    "stop": _OWN,
    "logprobs": _OWN,
    "top_logprobs": _OWN,
    "response_format": _OWN,
    "structured_outputs": _OWN,
}


def checked_sampling(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Copy the settings. Raises InvalidOption for one that vLLM would ignore, or that would
    break the count, the budget or the engine."""
    for name in settings or {}:
        if name not in SAMPLING_SETTINGS:
            why = _REASONS.get(name, "vLLM would silently ignore it")
            raise InvalidOption(
                f"sampling cannot hold {name!r}: {why}. "
                f"Allowed: {', '.join(sorted(SAMPLING_SETTINGS))}"
            )
    return dict(settings or {})
