"""Every parameter of OpenAI's chat completions: honoured, or refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from its_agent.integrations.gateway.chat_request import ChatRequest
from its_agent.integrations.gateway.refusal import Refusal, bad

HONOURED = frozenset(ChatRequest.model_fields)
_FUNCTIONS = "send tools and tool_choice, which have taken its place"
_TOKENS = "log-probabilities of a chosen answer are not kept"
_STORE = "nothing is stored here"
REFUSED: Mapping[str, str] = {
    "audio": "answers are text",
    "frequency_penalty": "set sampling settings at the engine",
    "function_call": _FUNCTIONS,
    "functions": _FUNCTIONS,
    "logit_bias": "set sampling settings at the engine",
    "logprobs": _TOKENS,
    "metadata": _STORE,
    "modalities": "answers are text",
    "moderation": "nothing is moderated here",
    "prediction": "predicted outputs are not supported",
    "presence_penalty": "set sampling settings at the engine",
    "prompt_cache_key": "the engine's prefix cache needs no key",
    "prompt_cache_options": "the engine's prefix cache has no options",
    "prompt_cache_retention": "the engine's prefix cache has no retention",
    "reasoning_effort": "effort is bought with max_compute_budget",
    "seed": "a seed for each request ends a CPU engine, and promises nothing on a GPU",
    "service_tier": "there is one tier",
    "store": _STORE,
    "top_logprobs": _TOKENS,
    "verbosity": "say in a message how long the answer is to be",
    "web_search_options": "there is no search",
}
"""Why a parameter is not taken."""
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0, 0.0),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "modalities": (["text"],),
    "presence_penalty": (0, 0.0),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
}
"""Values that ask for what is done anyway."""
_OF_A_MESSAGE = frozenset({"role", "content"})
_UNIONS = (("response_format",), ("tool_choice",))
"""Where the next step of an error's place is a tag, and no field."""


def read_request(body: bytes) -> ChatRequest:
    """Read a request's JSON. Raises Refusal, which names the parameter at fault."""
    given = _object(body)
    kept = {name: value for name, value in given.items() if not _is_left_out(name, value)}
    if isinstance(messages := kept.get("messages"), list):
        kept["messages"] = [_without_nulls(one) for one in cast("list[object]", messages)]
    try:
        return ChatRequest.model_validate(kept)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_input=False)[0]) from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        given: object = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise Refusal(400, "the body is not JSON", code="invalid_json") from None
    if not isinstance(given, dict):
        raise Refusal(400, "the body is not a JSON object", code="invalid_json")
    return cast("dict[str, Any]", given)


def _is_left_out(name: str, value: object) -> bool:
    """Whether it asks for nothing. Raises Refusal for what is not honoured."""
    if value is None or _is_neutral(name, value):
        return True
    if name in REFUSED:
        raise bad(name, f"not supported: {REFUSED[name]}", code="unsupported_parameter")
    if name not in HONOURED:
        shown = name if len(name) <= 64 else f"{name[:64]}…"
        raise bad(shown, "there is no such parameter", code="unknown_parameter")
    return False


def _is_neutral(name: str, value: object) -> bool:
    return any(
        value == neutral and type(value) is type(neutral) for neutral in NEUTRAL.get(name, ())
    )


def _without_nulls(message: object) -> object:
    """Without the empty fields that clients send back with an earlier answer; one that called
    tools has said nothing."""
    if not isinstance(message, dict):
        return message
    fields = cast("dict[str, object]", message)
    if fields.get("tool_calls") and fields.get("content") is None:
        fields = {**fields, "content": ""}
    return {
        name: value
        for name, value in fields.items()
        if value not in (None, []) or name in _OF_A_MESSAGE
    }


def _refusal(detail: ErrorDetails) -> Refusal:
    param = _path(detail["loc"]) or "body"
    code = "missing_parameter" if detail["type"] == "missing" else "invalid_value"
    if detail["type"] == "extra_forbidden":
        return bad(param, "not supported", code="unsupported_parameter")
    return bad(param, _said(detail), code=code)


def _said(detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _path(place: tuple[int | str, ...]) -> str:
    """Where it is, as a caller would write it; the tag of a union is no part of it."""
    if place[:1] in _UNIONS and len(place) > 1:
        place = (place[0], *place[2:])
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path[:128]
