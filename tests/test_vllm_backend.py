"""VLLMBackend against a scripted server: what goes out, what comes back, what the server is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from fake_vllm import (
    ADDRESS,
    CHAT,
    COUNT,
    FORTY_TWO,
    LIST,
    QUESTION,
    VERSION,
    Answer,
    backend_of,
    collect,
    events,
    listening,
    page,
    piece,
    request,
    sent_body,
    serving,
    total,
)

from its_agent.backends.connect import connect
from its_agent.backends.protocol import Delta, Tokens
from its_agent.backends.sse import EventDecoder
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import BackendRefused, InvalidOption, UnknownModel

DONE = b"data: [DONE]\n\n"

# --- what goes out ---------------------------------------------------------------------------


async def test_every_request_is_streamed_bounded_and_asks_for_usage_and_logprobs() -> None:
    body = await sent_body(request(temperature=0.3, top_p=0.9, top_logprobs=5))
    assert body == {
        "model": "qwen",
        "messages": [{"role": "user", "content": "What is 17 + 25?"}],
        "add_generation_prompt": True,
        "continue_final_message": False,
        "n": 1,
        "max_tokens": 50,
        "max_completion_tokens": 50,
        "temperature": 0.3,
        "top_p": 0.9,
        "logprobs": True,
        "top_logprobs": 5,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }


async def test_a_stop_string_is_kept_in_the_text() -> None:
    body = await sent_body(request(stop=("\n\n",)))
    assert (body["stop"], body["include_stop_str_in_output"]) == (["\n\n"], True)


async def test_choices_and_schemas_constrain_the_engine() -> None:
    schema = {"type": "object"}
    chosen, shaped = (
        await sent_body(request(choices=("A", "B"))),
        await sent_body(request(schema=schema)),
    )
    assert chosen["structured_outputs"] == {"choice": ["A", "B"]}
    assert shaped["response_format"]["json_schema"]["schema"] == schema


async def test_choices_with_a_schema_are_refused() -> None:
    with pytest.raises(InvalidOption, match="either choices or a schema"):
        await sent_body(request(choices=("A",), schema={}))


async def test_a_partial_answer_is_continued_instead_of_answered() -> None:
    partial = (*QUESTION, {"role": "assistant", "content": "17 + 25 ="})
    body = await sent_body(request(messages=partial, continue_partial=True))
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


async def test_only_an_assistant_message_can_be_continued() -> None:
    with pytest.raises(InvalidOption, match="'user'"):
        await sent_body(request(continue_partial=True))


async def test_the_callers_settings_go_out_but_the_requests_temperature_wins() -> None:
    body = await sent_body(
        request(temperature=0.0),
        sampling={"top_k": 20, "temperature": 1.5, "top_p": 0.7},
        chat_template_kwargs={"enable_thinking": False},
    )
    assert (body["top_k"], body["top_p"], body["temperature"]) == (20, 0.7, 0.0)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("seed", "kills vLLM's CPU engine"),
        ("n", "the budget decides it"),
        ("tools", "changes the prompt"),
        ("guided_choice", "silently ignore"),
    ],
)
def test_a_setting_that_would_do_harm_is_refused_with_its_reason(name: str, why: str) -> None:
    with pytest.raises(InvalidOption, match=why):
        VLLMBackend(ADDRESS, sampling={name: 1})


# --- what comes back -------------------------------------------------------------------------


async def test_each_chunks_usage_counts_its_own_sample() -> None:
    server = serving(
        events(
            piece(0, "", count=0),
            piece(1, "", count=0),
            piece(0, "4", count=2),
            piece(1, "Six", count=3),
            piece(0, "2", count=4, finish="stop"),
            piece(1, "ty", count=5, finish="length"),
            total(9, 9, cached=8),
        )
    )
    async with backend_of(server) as backend:
        items = await collect(backend, request(n=2))
    told = [(d.index, d.text, d.tokens, d.finish) for d in items if isinstance(d, Delta)]
    assert told == [
        (0, "4", 2, None),
        (1, "Six", 3, None),
        (0, "2", 4, "stop"),
        (1, "ty", 5, "length"),
    ]
    assert items[-1] == Tokens(prompt=9, cached_prompt=8, completion=9)


async def test_without_usage_in_every_chunk_the_logprobs_are_counted() -> None:
    server = serving(events(piece(0, "4"), piece(0, "2", finish="stop"), total(9, 2)))
    async with backend_of(server) as backend:
        items = await collect(backend, request())
    assert [d.tokens for d in items if isinstance(d, Delta)] == [1, 2]
    assert items[-1] == Tokens(prompt=9, cached_prompt=0, completion=2)


async def test_alternatives_that_read_the_same_keep_the_likeliest() -> None:
    chunk = piece(0, "A", count=1, finish="stop")
    alternatives = [("A", -0.1), ("B", -3.0), ("B", -2.5), ("C", -9999.0)]
    listed = [{"token": token, "logprob": logprob} for token, logprob in alternatives]
    chunk["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = listed
    async with backend_of(serving(events(chunk, total(9, 1)))) as backend:
        first, *_ = await collect(backend, request(top_logprobs=4))
    assert isinstance(first, Delta)
    assert first.top_logprobs == ({"A": -0.1, "B": -2.5, "C": -9999.0},)


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_events_are_read_however_the_bytes_are_cut(size: int) -> None:
    text = "line\u2028separator \u00e9\u4e2d"
    line = json.dumps(piece(0, text, count=1, finish="stop"), ensure_ascii=False)
    content = b": ping\r\n\r\ndata: " + line.encode() + b"\r\n\r\n" + events(total(9, 1))
    decoder = EventDecoder()
    parts = [content[i : i + size] for i in range(0, len(content), size)]
    found = [event for part in parts for event in decoder.feed(part)]
    assert json.loads(found[0])["choices"][0]["delta"]["content"] == text
    assert (len(found), found[-1]) == (3, "[DONE]")


async def test_closing_a_stream_closes_the_answer_at_once() -> None:
    answer = Answer(events(piece(0, "4", count=1), done=False), hangs=True)
    server = serving()
    server.answers[CHAT] = lambda: answer
    async with backend_of(server) as backend:
        items = backend.stream(request())
        await anext(items)
        assert not answer.hung_up.is_set()
        await items.aclose()
        await asyncio.wait_for(answer.hung_up.wait(), 1)


async def test_an_answer_whose_end_comes_late_leaves_its_connection_to_the_next() -> None:
    server = serving()
    server.answers[CHAT] = lambda: Answer(FORTY_TWO.removesuffix(DONE), late=DONE)
    async with backend_of(server, "qwen") as backend:
        for _ in range(3):
            await collect(backend, request())
    assert len(server.connections) == 1


async def test_cancelling_closes_the_answer_and_gives_its_place_to_the_next() -> None:
    half = events(piece(0, "4", count=1), done=False)
    answers: list[Answer] = []
    server = serving()

    def hanging() -> Answer:
        answers.append(Answer(half, hangs=True))
        return answers[-1]

    server.answers[CHAT] = hanging
    async with backend_of(server, "qwen", max_concurrency=1) as backend:
        tasks = [asyncio.create_task(collect(backend, request())) for _ in range(3)]
        while not answers:
            await asyncio.sleep(0.001)
        assert len(server.bodies(CHAT)) == 1
        for task in tasks:
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        server.answers[CHAT] = lambda: Answer(FORTY_TWO)
        assert await asyncio.wait_for(collect(backend, request()), 1)
        for answer in answers:
            await asyncio.wait_for(answer.hung_up.wait(), 1)


# --- the server itself -----------------------------------------------------------------------


async def test_the_offer_says_what_answers_and_is_asked_once() -> None:
    server = serving()
    async with backend_of(server, sampling={"top_k": 20}, dtype="bfloat16") as backend:
        told = (await backend.offer()).fingerprint
        assert (await backend.offer()).fingerprint == told
        await collect(backend, request())
        stamped = (await backend.offer()).fingerprint.system_fingerprint
    assert (told.model, told.engine, told.context_length) == ("qwen", "vllm 0.32.0", 4096)
    assert (told.dtype, told.sampling) == ("bfloat16", {"top_k": 20})
    assert stamped == "vllm-0.32.0-tp1" == backend.system_fingerprint
    assert len(server.bodies(LIST)) == 1


async def test_a_server_that_tells_no_version_has_none() -> None:
    server = serving()
    del server.answers[VERSION]
    async with backend_of(server) as backend:
        assert (await backend.offer()).fingerprint.engine is None


@pytest.mark.parametrize(
    ("named", "served", "says"),
    [
        (None, ["qwen", "llama"], "name one of: qwen, llama"),
        ("gpt", ["qwen", "llama"], "no model 'gpt'; it serves: qwen, llama"),
        (None, [], "serves 0 models"),
    ],
)
async def test_a_model_that_cannot_be_meant_is_answered_with_those_there_are(
    named: str | None, served: Sequence[str], says: str
) -> None:
    server = serving()
    server.answers[LIST] = lambda: page({"data": [{"id": s} for s in served]})
    async with backend_of(server, named) as backend:
        with pytest.raises(UnknownModel, match=says):
            await backend.offer()


async def test_a_model_that_went_away_is_named_with_those_still_there() -> None:
    server = serving()
    refusal = {"error": {"message": "The model `gpt` does not exist.", "code": 404}}
    server.answers[CHAT] = lambda: page(refusal, 404)
    async with backend_of(server, "gpt") as backend:
        with pytest.raises(UnknownModel, match="it serves: qwen"):
            await collect(backend, request())


@pytest.mark.parametrize("given", ["", "/", "/v1", "/v1/"])
async def test_the_address_is_taken_with_or_without_v1(given: str) -> None:
    server = serving()
    async with listening(server) as address, aclosing(VLLMBackend(address + given)) as backend:
        await backend.offer()
    assert [path for path, _ in server.seen] == [LIST, VERSION]


@pytest.mark.parametrize("given", ["localhost:8000", "ftp://a", "", "http://", "http://a:99999"])
def test_an_address_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(InvalidOption, match="http://HOST:PORT"):
        VLLMBackend(given)


@pytest.mark.parametrize("option", ["timeout", "relative_cost", "max_concurrency"])
def test_amounts_must_be_positive(option: str) -> None:
    zero: dict[str, Any] = {option: 0}
    with pytest.raises(InvalidOption, match=f"{option} must be greater than 0, got 0"):
        VLLMBackend(ADDRESS, **zero)


async def test_prompts_are_counted_by_the_server_once() -> None:
    server = serving()
    server.answers[COUNT] = lambda: page({"count": 37, "tokens": []})
    async with backend_of(server, chat_template_kwargs={"enable_thinking": False}) as backend:
        assert await backend.count_prompt(request()) == 37
        assert await backend.count_prompt(request(n=4, temperature=0.0)) == 37
        other = ({"role": "user", "content": "another"},)
        assert await backend.count_prompt(request(messages=other)) == 37
    first, *rest = server.bodies(COUNT)
    assert len(rest) == 1
    assert first["chat_template_kwargs"] == {"enable_thinking": False}
    assert (first["add_generation_prompt"], first["continue_final_message"]) == (True, False)


async def test_without_a_page_that_counts_prompts_are_estimated_from_above() -> None:
    server = serving()
    async with backend_of(server) as backend:
        assert await backend.count_prompt(request()) > 9
        assert await backend.count_prompt(request()) > 9
        assert "count_prompt" not in (await backend.offer()).capabilities
    assert len(server.bodies(COUNT)) == 1


async def test_a_text_is_counted_as_it_is_and_not_where_there_is_no_page() -> None:
    server = serving()
    async with backend_of(server, "qwen") as backend:
        assert await backend.count_text("17 + 25") is None
        server.answers[COUNT] = lambda: page({"count": 5})
        assert await backend.count_text("17 + 25") is None
    async with backend_of(server, "qwen") as backend:
        assert await backend.count_text("17 + 25") == 5
    asked = {"model": "qwen", "prompt": "17 + 25", "add_special_tokens": False}
    assert server.bodies(COUNT) == [asked, asked]


async def test_the_key_is_sent_and_never_shown() -> None:
    server = serving()
    server.answers[CHAT] = lambda: Answer(b"no such key: sk-secret", 401)
    async with backend_of(server, "qwen", api_key="sk-secret\n") as backend:
        with pytest.raises(BackendRefused, match=r"no such key: \*\*\*") as caught:
            await collect(backend, request())
        assert "sk-secret" not in f"{backend!r} {caught.value!r}"
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"


def test_a_header_on_two_lines_is_refused_without_its_value() -> None:
    with pytest.raises(InvalidOption, match="'X-Key' must be printable") as caught:
        VLLMBackend(ADDRESS, headers={"X-Key": "se\ncret"})
    assert "cret" not in str(caught.value)


async def test_the_key_of_the_environment_goes_to_the_address_of_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serving()
    async with listening(server) as address:
        monkeypatch.setenv("ITS_API_KEY", "sesame")
        monkeypatch.setenv("ITS_BASE_URL", address)
        for named in (address, None):
            backend = connect(named)
            assert isinstance(backend, VLLMBackend)
            async with aclosing(backend):
                await backend.offer()
    keys = [headers.get("Authorization") for headers in server.headers]
    assert keys == [None, None, "Bearer sesame", "Bearer sesame"]
