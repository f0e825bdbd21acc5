"""Every parameter of OpenAI's chat completions: honoured or refused by name; nothing ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from its_agent.integrations.gateway import GatewayOptions
from its_agent.integrations.gateway.chat_request import ChatRequest
from its_agent.integrations.gateway.order import Order, order_of
from its_agent.integrations.gateway.parameters import HONOURED, NEUTRAL, REFUSED, read_request
from its_agent.integrations.gateway.refusal import Refusal

QUESTION = [{"role": "user", "content": "What is 17 + 25?"}]
OF_OPENAI = {*CompletionCreateParamsBase.__annotations__, "stream"}
OWN = {"max_compute_budget", "strategy", "receipt"}
NO_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "objekt"}}}
NOT_NEUTRAL: dict[str, Any] = {
    "audio": {"voice": "alloy", "format": "wav"},
    "frequency_penalty": 0.5,
    "function_call": "auto",
    "functions": [{"name": "f"}],
    "logit_bias": {"1": 5},
    "logprobs": True,
    "metadata": {"a": "b"},
    "modalities": ["text", "audio"],
    "moderation": {"model": "m"},
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": -0.5,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"a": 1},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "high",
    "seed": 0,
    "service_tier": "flex",
    "store": True,
    "top_logprobs": 3,
    "verbosity": "low",
    "web_search_options": {"a": 1},
}


def read(**given: Any) -> ChatRequest:
    return read_request(json.dumps({"model": "m", "messages": QUESTION, **given}).encode())


def refusal_of(**given: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read(**given)
    return refused.value


def order(**given: Any) -> Order:
    return order_of(read(**given), {}, GatewayOptions(), model="m")


def test_every_parameter_is_either_honoured_or_refused() -> None:
    assert {*HONOURED, *REFUSED} == OF_OPENAI | OWN
    assert not HONOURED & REFUSED.keys()
    assert NOT_NEUTRAL.keys() == REFUSED.keys()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_is_named_with_the_reason(name: str) -> None:
    refused = refusal_of(**{name: NOT_NEUTRAL[name]})
    assert (refused.status, refused.param, refused.code) == (400, name, "unsupported_parameter")
    assert str(refused).startswith(f"{name}: not supported: ")
    assert refused.body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_null_asks_for_nothing(name: str) -> None:
    assert read(**{name: None}) == read()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NEUTRAL.items() for value in values]
)
def test_a_value_that_changes_nothing_is_taken(name: str, value: Any) -> None:
    assert read(**{name: value}) == read()


@pytest.mark.parametrize("name", ["colour", "guided_json", "max_budget", "top_k", "", "a.b"])
def test_an_unknown_parameter_is_named(name: str) -> None:
    refused = refusal_of(**{name: 1})
    assert (refused.status, refused.param, refused.code) == (400, name, "unknown_parameter")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": "0"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": 3}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "tool", "content": "4"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "4", "tool_call_id": "1"}]}, "messages[0]"),
        ({"messages": [{"role": "function", "content": "4"}]}, "messages[0].role"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"parallel_tool_calls": "maybe"}, "parallel_tool_calls"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [*QUESTION, {"role": "user"}]}, "messages[1].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
        ),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages[0].name"),
        (
            {"messages": [{"role": "assistant", "content": "a", "tool_calls": [{"id": "1"}]}]},
            "messages[0].tool_calls[0].function",
        ),
        ({"model": ""}, "model"),
        ({"max_compute_budget": -1}, "max_compute_budget"),
        ({"receipt": "yes"}, "receipt"),
    ],
)
def test_a_wrong_value_is_a_400_that_says_where(given: dict[str, Any], param: str) -> None:
    refused = refusal_of(**given)
    assert (refused.status, refused.param) == (400, param)
    assert param in str(refused)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"a"', b"{", b'{"model": NaN}', b'"\\ud800"', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_json_object_is_a_400(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_request(body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"strategy": "single_pass", "temperature": 0.7}, "temperature"),
        ({"response_format": NO_SCHEMA}, "response_format.json_schema.schema"),
    ],
)
def test_what_cannot_be_honoured_together_is_a_400(given: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as refused:
        order(**given)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_a_schema_whose_patterns_nothing_limits_is_refused() -> None:
    schema: Any = {"properties": {"a": {"patternProperties": {"(a+)+$": {}}}}}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    with pytest.raises(Refusal, match="patternProperties"):
        order(response_format=wanted)


def test_what_is_honoured_arrives_in_the_order() -> None:
    made = order(
        temperature=0.5,
        top_p=0.9,
        max_tokens=7,
        stop="END",
        stream=True,
        stream_options={"include_usage": True},
        user="me",
        receipt=True,
        strategy="beam",
        max_compute_budget=900,
    )
    assert (made.temperature, made.top_p, made.max_tokens, made.stop) == (0.5, 0.9, 7, ("END",))
    assert (made.stream, made.include_usage, made.receipt) == (True, True, True)
    assert (made.strategy, made.budget.compute) == ("beam", 900)
    assert made.user not in (None, "me")
    assert order(safety_identifier="me").user == made.user


def test_what_is_left_out_is_the_operators() -> None:
    options = GatewayOptions(default_budget=70, strategy="refine", seconds=3)
    made = order_of(read(), {}, options, model="m")
    assert (made.strategy, made.budget.compute, made.budget.seconds) == ("refine", 70, 3)
    assert (made.temperature, made.top_p, made.max_tokens) == (None, None, None)
