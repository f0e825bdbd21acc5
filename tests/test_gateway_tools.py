"""Tools through the gateway: offered to the model, voted on, and told in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gateway_server import gateway_at
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from openai import APIStatusError, OpenAI
from pydantic import SecretStr

from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.events import Event, Solved, Started
from its_agent.tool_calls import ToolCall
from its_agent.verifiers import AnswerCheck

QUESTION: Any = [{"role": "user", "content": "What is 17 + 25?"}]
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}
Script = Callable[[Request, int], Reply]
PATHS = ["adaptive", "single_pass", "self_consistency"]


def calling(*arguments: str, text: str = "", id: str = "") -> Script:
    """Calls the tool, if there is one, with these arguments, one after the other."""

    def say(request: Request, index: int) -> Reply:
        if not request.tools:
            return Reply(text=r"So it is \boxed{42}.")
        call = ToolCall(id=id, name="add", arguments=arguments[index % len(arguments)])
        return Reply(text=text, calls=(call,))

    return say


class Gateway:
    """A gateway before a script, a client of it, and the events that its operator hears."""

    def __init__(self, client: OpenAI, backend: ScriptedBackend, events: list[Event]) -> None:
        self.client, self.backend, self.events = client, backend, events

    def asked(self, model: str = "scripted", **more: Any) -> Any:
        create: Any = self.client.chat.completions.create
        return create(**{"model": model, "messages": QUESTION, "tools": [ADD], **more})

    def refused(self, **more: Any) -> APIStatusError:
        with pytest.raises(APIStatusError) as refusal:
            self.asked(**more)
        return refusal.value


@pytest.fixture
def script() -> Script:
    return calling('{"a": 17, "b": 25}', '{"b":25,"a":17}')


@pytest.fixture
def gateway(script: Script) -> Iterator[Gateway]:
    backend, events = ScriptedBackend(script), list[Event]()
    with (
        gateway_at(backend, on_event=events.append) as url,
        OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
    ):
        yield Gateway(client, backend, events)


@pytest.mark.parametrize("strategy", PATHS)
def test_a_call_is_told_with_all_that_it_cost(gateway: Gateway, strategy: str) -> None:
    answer = gateway.asked(f"scripted@{strategy}", extra_body={"receipt": True})
    (choice,) = answer.choices
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert json.loads(call.function.arguments) == {"a": 17, "b": 25}
    assert (call.type, call.function.name) == ("function", "add")
    assert call.id.startswith("call_")
    assert answer.usage.completion_tokens == gateway.backend.generated_tokens
    assert answer.usage.total_tokens == answer.its["receipt"]["spent"]["compute"]
    assert answer.its["answer"] is None
    assert isinstance(gateway.events[0], Started)
    assert isinstance(gateway.events[-1], Solved)


def test_tools_and_their_choice_reach_every_request(gateway: Gateway) -> None:
    named = {"type": "function", "function": {"name": "add"}}
    for choice in ("none", "auto", "required", named):
        gateway.asked(tool_choice=choice, parallel_tool_calls=False)
        assert {repr(one.tool_choice) for one in gateway.backend.requests} == {repr(choice)}
        assert all(one.tools == (ADD,) for one in gateway.backend.requests)
        assert not any(one.parallel_calls for one in gateway.backend.requests)
        gateway.backend.requests.clear()


@pytest.mark.parametrize("strategy", PATHS)
def test_a_stream_tells_the_calls(gateway: Gateway, strategy: str) -> None:
    more = {"stream": True, "stream_options": {"include_usage": True}}
    *pieces, last, usage = gateway.asked(f"scripted@{strategy}", **more)
    calls = [call for one in pieces for call in one.choices[0].delta.tool_calls or ()]
    assert [(one.index, one.type, one.function.name) for one in calls] == [(0, "function", "add")]
    assert json.loads(calls[0].function.arguments) == {"a": 17, "b": 25}
    assert [one.choices[0].delta.role for one in pieces] == ["assistant"]
    assert last.choices[0].finish_reason == "tool_calls"
    assert usage.usage.completion_tokens == gateway.backend.generated_tokens


@pytest.mark.parametrize(
    "script", [calling('{"a": 1}', text="I shall add them up.", id="theirs")], ids=["a word"]
)
@pytest.mark.parametrize("strategy", PATHS)
def test_a_word_before_a_call_is_told_with_it(gateway: Gateway, strategy: str) -> None:
    message = gateway.asked(f"scripted@{strategy}").choices[0].message
    assert (message.content, message.tool_calls[0].id) == ("I shall add them up.", "theirs")
    deltas = [one.choices[0].delta for one in gateway.asked(f"scripted@{strategy}", stream=True)]
    assert "".join(one.content or "" for one in deltas) == "I shall add them up."
    assert [call.id for one in deltas for call in one.tool_calls or ()] == ["theirs"]
    assert [one.role for one in deltas if one.role] == ["assistant"]


@pytest.mark.parametrize("script", [calling('{"a": [' + "1, " * 40 + "1]}")], ids=["long"])
@pytest.mark.parametrize("most", [2, 20])
def test_a_call_that_is_cut_off_is_not_told(gateway: Gateway, most: int) -> None:
    (choice,) = gateway.asked(max_tokens=most).choices
    assert (choice.finish_reason, choice.message.tool_calls) == ("length", None)
    pieces = list(gateway.asked(max_tokens=most, stream=True))
    assert not any(one.choices[0].delta.tool_calls for one in pieces)
    assert pieces[-1].choices[0].finish_reason == "length"


def test_what_a_tool_has_said_goes_on_to_the_model(gateway: Gateway) -> None:
    called = gateway.asked().choices[0].message.model_dump()
    said = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "42"}
    for tools in ([ADD], []):
        gateway.asked("scripted@single_pass", messages=[*QUESTION, called, said], tools=tools)
        *_, earlier, result = gateway.backend.requests[-1].messages
        assert (earlier["content"], earlier["tool_calls"]) == ("", called["tool_calls"])
        assert result == said


def test_an_agent_of_langchain_calls_tools_through_it(gateway: Gateway) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    model = ChatOpenAI(
        base_url=str(gateway.client.base_url), api_key=SecretStr("unused"), model="scripted"
    )
    message = model.bind_tools([add]).invoke("What is 17 + 25?")
    assert isinstance(message, AIMessage)
    assert [call["args"] for call in message.tool_calls] == [{"a": 17, "b": 25}]


@pytest.mark.parametrize(
    ("more", "param", "says"),
    [
        ({"extra_body": {"strategy": "refine"}}, "tools", "no say over tool calls"),
        ({"response_format": {"type": "json_object"}}, "response_format", "with tools"),
        ({"tools": [ADD, ADD]}, "tools", "same name"),
        ({"tools": [], "tool_choice": "auto"}, "tool_choice", "goes with tools"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "sub"}}},
            "tool_choice",
            "there are add",
        ),
        ({"extra_body": {"max_compute_budget": 3}}, "max_compute_budget", "raise the budget"),
    ],
)
def test_what_tools_do_not_go_with_is_a_400(
    gateway: Gateway, more: Any, param: str, says: str
) -> None:
    error = gateway.refused(**more)
    assert (error.status_code, error.param) == (400, param)
    assert says in error.message
    assert gateway.backend.requests == []


def test_a_gateway_with_checks_refuses_tools() -> None:
    check = AnswerCheck(lambda answer: True, name="mine")
    with (
        gateway_at(ScriptedBackend(calling("{}")), verifiers=[check]) as url,
        OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
    ):
        error = Gateway(client, ScriptedBackend([]), []).refused()
    assert (error.status_code, error.param) == (400, "tools")
    assert "mine" in error.message
