"""ChatITS: what a call asks for reaches every request, and what comes back is true."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import SecretStr
from scripted_chat import chat
from scripted_server import Quirk, served

from its_agent import Budget, Ledger
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import (
    BackendGarbled,
    BudgetTooSmall,
    InvalidOption,
    InvalidProblem,
    SolveFailed,
    UnknownModel,
    UnknownStrategy,
)
from its_agent.integrations import ChatITS
from its_agent.tool_calls import ToolCall, meaning
from its_agent.verifiers import AnswerCheck

QUESTION = "What is 17 + 25?"
REFUSED: tuple[int, dict[str, str]] = (400, {})
PATHS = ("single_pass", "adaptive", "self_consistency", "refine")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def sure(request: Request, index: int) -> Reply:
    return Reply(text="So it is \\boxed{42}.")


def calling(*arguments: str, name: str = "add") -> Callable[[Request, int], Reply]:
    """Calls the tool with these arguments, one after the other."""

    def say(request: Request, index: int) -> Reply:
        text = arguments[index % len(arguments)]
        return Reply(text="", calls=(ToolCall(id=f"call_{index}", name=name, arguments=text),))

    return say


def chunks_of(model: Any, question: str = QUESTION, /, **asked: Any) -> list[AIMessageChunk]:
    return list(model.stream(question, **asked))


def whole(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    first, *others = chunks
    return sum(others, first)


@pytest.mark.parametrize("strategy", PATHS)
@pytest.mark.parametrize("streamed", [False, True])
def test_every_setting_reaches_every_solution_on_every_path(strategy: str, streamed: bool) -> None:
    backend = ScriptedBackend(sure)
    model = ChatITS(backend, strategy=strategy, sampling={"top_k": 40})
    asked: dict[str, Any] = {
        "stop": ["\n\n"],
        "max_tokens": 60,
        "temperature": 0.4,
        "min_p": 0.1,
        "max_compute_budget": 900,
    }
    if streamed:
        chunks_of(model, **asked)
    else:
        model.invoke(QUESTION, **asked)
    solutions = [one for one in backend.requests if one.max_tokens == 60]
    assert solutions
    assert {one.stop for one in solutions} == {("\n\n",)}
    assert {one.temperature for one in backend.requests} <= {0.4, 0.0}
    assert solutions[0].temperature == (0.4 if strategy in PATHS[::2] else 0.0)
    assert all(one.sampling == {"top_k": 40, "min_p": 0.1} for one in backend.requests)


def test_settings_reach_the_server_and_calls_with_tools_too() -> None:
    asked: list[Any] = []
    quirk = Quirk(refuses=lambda body: asked.append(body))
    with served(ScriptedBackend(chat), quirk=quirk) as url:
        model = ChatITS(
            url,
            strategy="hedged_attempts",
            stop=["END"],
            sampling={"top_k": 40},
            temperature=0.3,
        )
        bound = model.bind_tools([add], tool_choice="add", parallel_tool_calls=False)
        message = bound.invoke("add 1 and 2", max_tokens=70, frequency_penalty=0.5)
    assert message.response_metadata["receipt"]["notes"] == []
    assert len(asked) == 2
    for body in asked:
        assert body["stop"] == ["END"]
        assert (body["top_k"], body["frequency_penalty"], body["max_tokens"]) == (40, 0.5, 70)
        assert body["tools"][0]["function"]["name"] == "add"
        assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
        assert body["parallel_tool_calls"] is False
    assert {body["temperature"] for body in asked} == {0.0, 0.3}


def test_settings_reach_a_langchain_model_behind_it() -> None:
    asked: list[Any] = []
    quirk = Quirk(refuses=lambda body: asked.append(body))
    with served(ScriptedBackend(chat), quirk=quirk) as url:
        inner = ChatOpenAI(base_url=f"{url}/v1", api_key=SecretStr("k"), stream_usage=True)
        model = ChatITS(inner, strategy="single_pass", stop=["END"])
        model.bind_tools([add], tool_choice="any").invoke("add 1 and 2", top_p=0.5)
    (body,) = asked
    assert (body["stop"], body["top_p"], body["tool_choice"]) == (["END"], 0.5, "required")
    assert body["tools"][0]["function"]["name"] == "add"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"seed": 1}, "'seed'"),
        ({"logprobs": True}, "'logprobs'"),
        ({"user": "me"}, "'user'"),
        ({"n": 3}, "n must be 1"),
        ({"tool_choice": "auto"}, "tool_choice was given without tools"),
        ({"temperature": 3.0}, "temperature must be from 0 to 2"),
        ({"max_tokens": 0}, "max_tokens must be from 1"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens says"),
        ({"stop": [""]}, "stop must be"),
        ({"response_format": {"type": "grammar"}}, "response_format must be"),
        ({"model": "another"}, "model: 'another'"),
        ({"timeout": 0}, "timeout must be"),
    ],
)
@pytest.mark.parametrize("strategy", ["single_pass", "adaptive"])
def test_what_cannot_be_done_is_refused_by_its_name_before_any_spend(
    asked: dict[str, Any], named: str, strategy: str
) -> None:
    backend = ScriptedBackend(sure)
    model = ChatITS(backend, strategy=strategy)
    with pytest.raises(InvalidOption, match=named):
        model.invoke(QUESTION, **asked)
    with pytest.raises(InvalidOption, match=named):
        chunks_of(model, **asked)
    assert not backend.requests


def test_refusals_that_depend_on_the_strategy_or_the_backend() -> None:
    with pytest.raises(InvalidOption, match="stop: the strategy 'beam'"):
        ChatITS(ScriptedBackend(sure), strategy="beam").invoke(QUESTION, stop=["x"])
    with pytest.raises(InvalidOption, match="tools: the strategy 'refine'"):
        ChatITS(ScriptedBackend(sure), strategy="refine").bind_tools([add])
    checked = ChatITS(ScriptedBackend(sure), verifiers=[AnswerCheck(bool, name="any")])
    with pytest.raises(InvalidOption, match="tools: the verifier 'any'"):
        checked.bind_tools([add])
    on_langchain = ChatITS(ChatOpenAI(base_url="http://127.0.0.1:9", api_key=SecretStr("k")))
    form = {"type": "json_object"}
    with pytest.raises(InvalidOption, match="response_format: a LangChain chat model"):
        on_langchain.invoke(QUESTION, response_format=form)
    picky = ChatITS(on_langchain.backend, strategy="self_certainty").bind_tools([add])
    with pytest.raises(InvalidOption, match="cannot be asked for top_logprobs"):
        picky.invoke("add 1 and 2")
    both = ChatITS(ScriptedBackend(sure)).bind_tools([add], response_format=form)
    with pytest.raises(InvalidOption, match="response_format cannot be combined with tools"):
        both.invoke(QUESTION)
    with pytest.raises(InvalidOption, match="tool_choice 'multiply' is not allowed"):
        ChatITS(ScriptedBackend(sure)).bind_tools([add], tool_choice="multiply")


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"stratgy": "beam"}, InvalidOption, "no option 'stratgy'"),
        ({"strategy": "guess"}, UnknownStrategy, "guess"),
        ({"max_retries": 7}, InvalidOption, "max_retries must be 2"),
        ({"api_key": "secret"}, InvalidOption, "go with a base URL"),
        ({"sampling": {"seed": 1}}, InvalidOption, "'seed'"),
    ],
)
def test_a_wrong_option_is_refused_when_the_model_is_made(
    options: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        ChatITS(ScriptedBackend(sure), **options)


def test_the_receipt_is_plain_data_and_the_usage_is_all_of_it() -> None:
    backend = ScriptedBackend(sure)
    message = ChatITS(backend, strategy="self_consistency").invoke(
        QUESTION, max_tokens=50, max_compute_budget=300
    )
    receipt = message.response_metadata["receipt"]
    assert json.loads(json.dumps(receipt)) == receipt
    assert message.usage_metadata == {
        "input_tokens": receipt["spent"]["prompt_tokens"],
        "output_tokens": backend.generated_tokens,
        "total_tokens": receipt["spent"]["prompt_tokens"] + backend.generated_tokens,
        "input_token_details": {"cache_read": 0},
    }
    assert receipt["spent"]["compute"] <= 300
    assert message.response_metadata["answer"] == "42"
    assert message.response_metadata["status"] == "agreed"
    assert message.response_metadata["confidence"] > 0.8
    assert backend.requests[0].n > 2


@pytest.mark.parametrize("tools", [False, True])
def test_a_host_counts_the_usage_once(tools: bool) -> None:
    with served(ScriptedBackend(chat)) as url:
        inner = ChatOpenAI(
            base_url=f"{url}/v1", model="scripted", api_key=SecretStr("k"), stream_usage=True
        )
        model: Any = ChatITS(inner)
        model = model.bind_tools([add]) if tools else model
        with get_usage_metadata_callback() as counted:
            message = model.invoke(QUESTION)
    assert counted.usage_metadata == {"scripted": message.usage_metadata}


def test_a_single_pass_streams_while_it_is_made() -> None:
    backend = ScriptedBackend(["one two three four five six"], chunk_tokens=2, delay=0.01)
    pieces = chunks_of(ChatITS(backend, strategy="single_pass"), "Count.")
    assert [piece.content for piece in pieces] == ["one two", " three four", " five six", ""]
    assert pieces[-1].chunk_position == "last"
    assert [bool(piece.usage_metadata) for piece in pieces] == [False, False, False, True]


async def test_a_single_pass_streams_calls_in_pieces_too() -> None:
    model = ChatITS(ScriptedBackend(calling('{"a": 1, "b": 2}')), strategy="single_pass")
    bound: Any = model.bind_tools([add])
    pieces: list[AIMessageChunk] = [piece async for piece in bound.astream("add 1 and 2")]
    assert [len(piece.tool_call_chunks) for piece in pieces] == [1, 1, 0]
    (call,) = whole(pieces).tool_calls
    assert (call["name"], call["args"], call["id"]) == ("add", {"a": 1, "b": 2}, "call_0")


def test_stop_strings_and_thinking_are_not_shown_even_for_a_moment() -> None:
    said = "<think>\nhm\n</think>\n\nLook. END of it"
    model = ChatITS(
        ScriptedBackend(lambda request, index: said, chunk_tokens=1), strategy="single_pass"
    )
    pieces = chunks_of(model, "Say it.", stop=["END"])
    assert "".join(str(piece.content) for piece in pieces) == "Look. "
    assert model.invoke("Say it.", stop=["END"]).content == "Look. "
    assert whole(pieces).additional_kwargs["reasoning_content"] == "hm"


def test_a_sample_made_again_goes_on_where_it_was_shown() -> None:
    backend = ScriptedBackend(["one two three four"] * 2, chunk_tokens=1)
    with served(backend, quirk=Quirk(cut_after=2)) as url:
        pieces = chunks_of(ChatITS(url, strategy="single_pass"), "Count.")
    assert "".join(str(piece.content) for piece in pieces) == "one two three four"
    assert pieces[0].content == "one"
    assert whole(pieces).response_metadata["receipt"]["retries"] == 1


def test_a_sample_made_again_that_says_something_else_is_an_error() -> None:
    backend = ScriptedBackend(["one two three four", "uno due tre"], chunk_tokens=1)
    with (
        served(backend, quirk=Quirk(cut_after=2)) as url,
        pytest.raises(BackendGarbled, match="call invoke"),
    ):
        chunks_of(ChatITS(url, strategy="single_pass"), "Count.")


def test_several_samples_stream_nothing_but_the_answer() -> None:
    texts = iter(["It is \\boxed{41}."] + ["It is \\boxed{42}."] * 20)
    model = ChatITS(ScriptedBackend(lambda request, index: next(texts)), strategy="attempts")
    pieces = chunks_of(model)
    *before, last = [str(piece.content) for piece in pieces]
    assert len(before) > 3
    assert set(before) == {""}
    assert last == "It is \\boxed{42}."


class Talk(TypedDict):
    messages: Annotated[list[Any], add_messages]


async def in_a_graph(model: Any, mode: Any) -> list[Any]:
    async def speak(state: Talk) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(Talk).add_node("speak", speak).add_edge(START, "speak").compile()
    given: Any = {"messages": [HumanMessage(QUESTION)]}
    return [part async for part in graph.astream(given, stream_mode=mode)]


async def test_a_host_graph_streams_the_answer_and_hears_of_the_progress() -> None:
    texts = iter(["It is \\boxed{41}."] + ["It is \\boxed{42}."] * 20)
    model = ChatITS(ScriptedBackend(lambda request, index: next(texts)), strategy="attempts")
    parts = await in_a_graph(model, ["messages", "custom"])
    shown = [str(data[0].content) for mode, data in parts if mode == "messages"]
    progress = [data["its_progress"] for mode, data in parts if mode == "custom"]
    assert "".join(shown) == "It is \\boxed{42}."
    assert {"routed", "sampled", "judged"} <= {one["kind"] for one in progress}
    assert "boxed" not in json.dumps(progress)


async def test_events_of_a_host_tell_of_no_inner_runs() -> None:
    model = ChatITS(ScriptedBackend(sure))
    seen = [event async for event in model.astream_events(QUESTION, version="v2")]
    assert {event["name"] for event in seen} == {"ChatITS"}


async def test_leaving_a_stream_aborts_the_work() -> None:
    backend = ScriptedBackend(lambda request, index: "word " * 100, chunk_tokens=1, delay=0.005)
    model = ChatITS(backend, strategy="single_pass")
    async for _ in model.astream("Go on."):
        break
    await asyncio.sleep(0.05)
    assert backend.aborted == 1


@pytest.mark.parametrize("strategy", ["hedged_attempts", "self_consistency", "esc"])
def test_calls_are_voted_on_by_name_and_json_value(strategy: str) -> None:
    same = ('{"a": 1, "b": 2}', '{"b": 2.0, "a": 1}')
    script = calling('{"a": 9, "b": 9}', *same, *same, *same)
    backend = ScriptedBackend(script)
    bound = ChatITS(backend, strategy=strategy, max_tokens=40).bind_tools([add])
    message = bound.invoke("add 1 and 2", max_compute_budget=1_000)
    assert message.tool_calls[0]["args"] == {"a": 1, "b": 2}
    assert message.response_metadata["status"] == "agreed"
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == backend.generated_tokens
    assert message.response_metadata["receipt"]["spent"]["compute"] <= 1_000


def test_attempts_stop_once_the_calls_agree() -> None:
    backend = ScriptedBackend(calling('{"a": 1, "b": 2}'))
    message = ChatITS(backend, strategy="hedged_attempts").bind_tools([add]).invoke("add 1 and 2")
    assert sum(request.n for request in backend.requests) == 4
    assert message.response_metadata["receipt"]["stopped_because"] == "confident"


def test_adaptive_makes_the_greedy_samples_calls() -> None:
    backend = ScriptedBackend(calling('{"a": 1, "b": 2}', '{"a": 9, "b": 9}'))
    message = ChatITS(backend).bind_tools([add]).invoke("add 1 and 2")
    assert [call["args"] for call in message.tool_calls] == [{"a": 1, "b": 2}]
    assert [(request.n, request.temperature) for request in backend.requests] == [(1, 0.0)]
    assert message.response_metadata["receipt"]["stopped_because"] == "complete"


def test_adaptive_takes_more_where_the_first_calls_cannot_be_made() -> None:
    backend = ScriptedBackend(calling('{"a": 1,', '{"a": 1, "b": 2}'))
    message = ChatITS(backend).bind_tools([add]).invoke("add 1 and 2")
    assert [call["args"] for call in message.tool_calls] == [{"a": 1, "b": 2}]
    assert sum(request.n for request in backend.requests) == 5


def test_adaptive_votes_on_answers_that_can_be_compared() -> None:
    backend = ScriptedBackend(sure)
    message = ChatITS(backend).bind_tools([add]).invoke(QUESTION)
    assert message.response_metadata["answer"] == "42"
    assert sum(request.n for request in backend.requests) == 5


def test_adaptive_takes_one_free_text() -> None:
    backend = ScriptedBackend(lambda request, index: Reply(text=f"Hello, for the {index}th time."))
    ChatITS(backend).bind_tools([add]).invoke("Greet me.")
    assert sum(request.n for request in backend.requests) == 1


def test_calls_that_cannot_be_made_have_no_vote() -> None:
    def say(request: Request, index: int) -> Reply:
        broken = index % 4 < 2
        text = '{"a": 1,' if broken else '{"a": 1, "b": 2}'
        name = "add" if index % 4 != 2 else "multiply"
        return Reply(text="", calls=(ToolCall(id=f"c{index}", name=name, arguments=text),))

    bound = ChatITS(ScriptedBackend(say), strategy="self_consistency").bind_tools([add])
    message = bound.invoke("add 1 and 2")
    assert [call["args"] for call in message.tool_calls] == [{"a": 1, "b": 2}]
    assert not message.invalid_tool_calls


def test_where_no_call_can_be_made_the_first_is_given_as_invalid() -> None:
    bound = ChatITS(ScriptedBackend(calling('{"a": 1,'))).bind_tools([add])
    message = bound.invoke("add 1 and 2")
    assert not message.tool_calls
    assert message.invalid_tool_calls[0]["args"] == '{"a": 1,'
    assert message.response_metadata["status"] == "abstained"


@pytest.mark.parametrize("most", [2, 30], ids=["before its arguments", "inside them"])
def test_a_call_that_is_cut_off_is_never_made(most: int) -> None:
    backend = ScriptedBackend(calling('{"a": 1, "b": [' + "1, " * 40 + "1]}"))
    bound = ChatITS(backend, max_tokens=most).bind_tools([add])
    message = bound.invoke("add")
    assert isinstance(message, AIMessage)
    assert (message.tool_calls, message.response_metadata["finish_reason"]) == ([], "length")
    assert [call["error"] for call in message.invalid_tool_calls] == ["the call was cut off"]
    streamed = whole(chunks_of(bound, "add"))
    assert (streamed.tool_calls, streamed.response_metadata["finish_reason"]) == ([], "length")


def test_an_answer_in_words_votes_against_calls() -> None:
    def say(request: Request, index: int) -> Reply:
        call = ToolCall(id="c", name="add", arguments='{"a": 17, "b": 25}')
        return Reply(text="", calls=(call,)) if index % 4 == 0 else sure(request, index)

    model = ChatITS(ScriptedBackend(say), strategy="hedged_attempts")
    message = model.bind_tools([add]).invoke(QUESTION)
    assert message.content == "So it is \\boxed{42}."
    assert not message.tool_calls
    assert message.response_metadata["answer"] == "42"


def test_a_conversation_with_tools_is_sent_as_it_was() -> None:
    backend = ScriptedBackend(sure)
    bound = ChatITS(backend, strategy="single_pass").bind_tools([add])
    call = {"name": "add", "args": {"a": 17, "b": 25}, "id": "c1", "type": "tool_call"}
    bound.invoke(
        [
            HumanMessage(QUESTION, name="ann"),
            AIMessage("", tool_calls=[call]),
            ToolMessage("42", tool_call_id="c1"),
        ]
    )
    user, assistant, tool = backend.requests[0].messages
    assert user == {"role": "user", "content": QUESTION, "name": "ann"}
    assert assistant["tool_calls"][0]["function"]["arguments"] == '{"a": 17, "b": 25}'
    assert (tool["role"], tool["content"], tool["tool_call_id"]) == ("tool", "42", "c1")


def test_only_text_is_taken() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    with pytest.raises(InvalidProblem, match="image_url"):
        ChatITS(ScriptedBackend(sure)).invoke([HumanMessage([picture])])


@pytest.mark.parametrize("tools", [False, True])
def test_budgets_hold_and_are_shared(tools: bool) -> None:
    ledger = Ledger(Budget(compute=700))
    model = ChatITS(ScriptedBackend(chat if tools else sure), ledger=ledger, max_tokens=64)
    bound: Any = model.bind_tools([add]) if tools else model

    async def spend() -> None:
        while True:
            await bound.ainvoke(QUESTION)

    with pytest.raises(BudgetTooSmall):
        asyncio.run(spend())
    assert 300 < ledger.spent.compute <= 700


@pytest.mark.parametrize("tools", [False, True])
def test_a_timeout_ends_an_answer_with_what_there_is(tools: bool) -> None:
    model: Any = ChatITS(ScriptedBackend(sure, delay=30.0), timeout=1.0)
    model = model.bind_tools([add]) if tools else model
    with pytest.raises(SolveFailed, match="the time was up") as caught:
        model.invoke(QUESTION)
    assert caught.value.receipt.stopped_because == "deadline"


def test_a_lost_backend_is_an_error_with_a_receipt() -> None:
    with served(ScriptedBackend([]), quirk=Quirk(failures=[REFUSED] * 9)) as url:
        bound = ChatITS(url).bind_tools([add])
        with pytest.raises(SolveFailed, match="not now") as caught:
            bound.invoke("add 1 and 2")
    assert caught.value.receipt.stopped_because == "backend_lost"


def test_another_model_at_the_same_server_can_be_asked() -> None:
    with served(ScriptedBackend(sure), others=("large",)) as url:
        model = ChatITS(url, model="scripted")
        assert model.invoke(QUESTION, model="large").response_metadata["model_name"] == "large"
        assert model.invoke(QUESTION).response_metadata["model_name"] == "scripted"
        with pytest.raises(UnknownModel, match="huge"):
            model.invoke(QUESTION, model="huge")


def test_a_schema_is_asked_for_checked_and_voted_on() -> None:
    schema: dict[str, Any] = {
        "title": "Answer",
        "type": "object",
        "required": ["n"],
        "properties": {"n": {}},
    }
    backend = ScriptedBackend(
        lambda request, index: ['{"n": 1.0}', '{"m": 2}', '{"n":1}'][index % 3]
    )
    model = ChatITS(backend, strategy="self_consistency", max_compute_budget=2_000)
    assert model.with_structured_output(schema).invoke("Give n.") == {"n": 1}
    assert backend.requests[0].schema is not None
    raw = model.with_structured_output(schema, include_raw=True).invoke("Give n.")
    assert raw["parsed"] == {"n": 1}
    assert raw["raw"].response_metadata["receipt"]


def test_equal_calls_mean_the_same() -> None:
    def call(text: str, name: str = "f") -> ToolCall:
        return ToolCall(id="", name=name, arguments=text)

    known = ("f", "g")
    assert meaning([call('{"a": [1, true], "b": null}')], known) == meaning(
        [call('{"b":null,"a":[1.0,true]}')], known
    )
    assert meaning([call('{"a": 1}')], known) != meaning([call('{"a": true}')], known)
    assert meaning([call('{"a": [1, 2]}')], known) != meaning([call('{"a": [2, 1]}')], known)
    assert meaning([call("{}"), call("{}", "g")], known) != meaning(
        [call("{}", "g"), call("{}")], known
    )
    assert meaning([call("")], known) == meaning([call("{}")], known)
    assert meaning([call("[1]")], known) is None
    assert meaning([call("{}", "h")], known) is None


def test_the_package_does_not_pay_for_langchain() -> None:
    code = "import its_agent.integrations, sys; print('langchain_core' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_middleware_without_langchain_says_what_to_install() -> None:
    code = """
import sys
sys.modules["langchain"] = None
import its_agent.integrations
print(its_agent.integrations.ChatITS.__name__)
its_agent.integrations.BudgetMiddleware
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "ChatITS"
    assert "MissingExtra: agent middleware needs langchain" in ran.stderr
    assert "pip install 'its-agent[langchain]'" in ran.stderr
