"""Streams: pieces, progress, signs of life, usage, errors on the way, and clients that hang up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import fake_vllm
import httpx
import pytest
from fake_vllm import Answer, piece
from gateway_server import engine_at, gateway_at
from openai import APIError, OpenAI

from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import BackendLost
from its_agent.integrations.gateway import GatewayOptions
from its_agent.integrations.stops import cut, shown

QUESTION: Any = [{"role": "user", "content": "What is 17 + 25?"}]
TEXT = r"17 and 25 make 42, so it is \boxed{42}."
SLOW = 0.15


def said(text: str = TEXT, **how: Any) -> ScriptedBackend:
    return ScriptedBackend(lambda request, index: Reply(text=text), **how)


def body(model: str = "scripted", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": QUESTION, "stream": True, **more}


def lines_of(url: str, asked: dict[str, Any]) -> list[str]:
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=asked, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [line for line in answer.iter_lines() if line]


def chunks_of(lines: list[str]) -> list[Any]:
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1] if line.startswith("data: ")]


def text_of(chunks: list[Any]) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)


def test_an_openai_client_reads_a_stream() -> None:
    with gateway_at(said()) as url, OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        stream: Any = client.chat.completions.create(
            model="scripted", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks[:-1]][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 15
    assert all(c.usage is None for c in chunks[:-1])


def test_usage_comes_only_when_it_is_asked_for() -> None:
    with gateway_at(said()) as url:
        chunks = chunks_of(lines_of(url, body()))
    assert all("usage" not in chunk for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_progress_comes_as_comments_that_hold_no_text() -> None:
    with gateway_at(said()) as url:
        lines = lines_of(url, body(receipt=True))
    comments = [json.loads(line[6:]) for line in lines if line.startswith(": its ")]
    told = [comment["event"] for comment in comments]
    assert told[0] == "estimate"
    assert {"route", "sample", "verify"} <= set(told)
    assert not any("42" in json.dumps(comment) for comment in comments if "spent" not in comment)
    assert not any("make" in line for line in lines if line.startswith(":"))
    last = chunks_of(lines)[-1]
    assert last["its"]["answer"] == "42"
    assert last["its"]["receipt"]["spent"]["compute"] == comments[-1]["spent"]


def test_one_sample_is_streamed_as_it_comes() -> None:
    with gateway_at(said(delay=SLOW, chunk_tokens=4)) as url:
        asked = body("scripted@single_pass")
        arrived: list[float] = []
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=asked) as answer:
            lines: list[str] = []
            for line in answer.iter_lines():
                lines += [line] if line else []
                if '"content"' in line:
                    arrived.append(time.monotonic())
    chunks = chunks_of(lines)
    assert text_of(chunks) == TEXT
    assert len(arrived) == 4
    assert arrived[-1] - arrived[0] > 2 * SLOW


def test_a_streamed_sample_ends_before_a_stop_string() -> None:
    with gateway_at(said(delay=0.02, chunk_tokens=1)) as url:
        chunks = chunks_of(lines_of(url, body("scripted@single_pass", stop=["42, so"])))
    assert text_of(chunks) == "17 and 25 make "
    assert len(chunks) > 4
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_streamed_sample_that_is_cut_off_says_so() -> None:
    with gateway_at(said(chunk_tokens=1)) as url:
        chunks = chunks_of(lines_of(url, body("scripted@single_pass", max_tokens=3)))
    assert text_of(chunks) == "17 and 25"
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_thinking_is_not_streamed() -> None:
    thought = f"<think>\nPerhaps 41?\n</think>\n\n{TEXT}"
    with gateway_at(said(thought, chunk_tokens=1)) as url:
        assert text_of(chunks_of(lines_of(url, body("scripted@single_pass")))) == TEXT


def test_a_stream_that_turns_out_to_be_thinking_ends_in_an_error() -> None:
    with gateway_at(said(f"Perhaps 41?\n</think>\n\n{TEXT}", chunk_tokens=1)) as url:
        chunks = chunks_of(lines_of(url, body("scripted@single_pass")))
    assert chunks[-1]["error"]["code"] == "stream_mismatch"


def test_json_is_streamed_only_once_it_fits() -> None:
    with gateway_at(said('```json\n{"sum": 42}\n```', chunk_tokens=1)) as url:
        asked = body("scripted@single_pass", response_format={"type": "json_object"})
        text = text_of(chunks_of(lines_of(url, asked)))
    assert json.loads(text) == {"sum": 42}


def test_a_silent_solve_shows_that_it_lives() -> None:
    options = GatewayOptions(keep_alive=0.05)
    with gateway_at(said(delay=0.3, chunk_tokens=99), options, estimate=()) as url:
        lines = lines_of(url, body())
    assert lines.count(": keep-alive") >= 4
    assert text_of(chunks_of(lines)) == TEXT


def test_what_is_refused_before_the_solve_is_a_plain_error() -> None:
    with gateway_at(said()) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=body(max_compute_budget=2))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "max_compute_budget"


def test_an_engine_that_is_lost_on_the_way_is_an_error_event() -> None:
    with (
        gateway_at(ScriptedBackend(lambda request, index: BackendLost("gone"))) as url,
        OpenAI(base_url=f"{url}/v1", api_key="unused") as client,
    ):
        lines = lines_of(url, body("scripted@single_pass"))
        stream: Any = client.chat.completions.create(
            model="scripted@single_pass", messages=QUESTION, stream=True
        )
        with pytest.raises(APIError, match="lost before there was an answer"):
            list(stream)
    error = chunks_of(lines)[-1]
    assert error["error"]["code"] == "backend_lost"
    assert error["its"]["receipt"]["stopped_because"] == "backend_lost"


def test_text_that_was_streamed_is_never_followed_by_that_of_another_sample() -> None:
    cut_short = fake_vllm.serving(fake_vllm.events(piece(0, "It is 4", count=3), done=False))
    with engine_at(cut_short) as engine, gateway_at(engine) as url:
        chunks = chunks_of(lines_of(url, body("qwen@single_pass")))
    assert text_of(chunks[:-1]) == "It is 4"
    assert len(cut_short.bodies(fake_vllm.CHAT)) == 1
    assert chunks[-1]["error"]["code"] == "backend_lost"


def hanging() -> tuple[fake_vllm.Server, Answer]:
    """An engine whose answers never end, and the first of them."""
    answer = Answer(fake_vllm.events(piece(0, "It is", count=2), done=False), hangs=True)
    server = fake_vllm.serving()
    server.answers[fake_vllm.CHAT] = lambda: answer
    return server, answer


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["qwen", "qwen@single_pass", "qwen@self_consistency"])
def test_a_client_that_hangs_up_frees_the_engine(stream: bool, model: str) -> None:
    server, answer = hanging()
    with engine_at(server) as engine, gateway_at(engine, estimate=()) as url:
        asked = body(model, stream=stream)
        client = httpx.Client(timeout=httpx.Timeout(30, read=1.0))
        with client, pytest.raises(httpx.ReadTimeout):
            client.post(f"{url}/v1/chat/completions", json=asked)
        until(answer.hung_up.is_set)
        until(lambda: "its_solves_in_flight 0.0" in httpx.get(f"{url}/metrics").text)
        page = httpx.get(f"{url}/metrics").text
    strategy = model.partition("@")[2] or "adaptive"
    labels = f'status="aborted",stopped_because="none",strategy="{strategy}"'
    assert f"its_solves_total{{{labels}}} 1.0" in page
    spent = next(line for line in page.splitlines() if line.startswith("its_compute_units_total"))
    assert float(spent.split()[-1]) > 0


def test_a_client_that_leaves_a_stream_frees_the_engine() -> None:
    server, answer = hanging()
    with engine_at(server) as engine, gateway_at(engine) as url:
        asked = body("qwen@single_pass")
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=asked) as stream:
            assert any('"It is"' in line for line in stream.iter_lines())
        until(answer.hung_up.is_set)


def test_streams_do_not_wait_for_one_another() -> None:
    texts: list[str] = []
    with gateway_at(said(delay=0.1, chunk_tokens=4)) as url:

        def read() -> None:
            texts.append(text_of(chunks_of(lines_of(url, body("scripted@single_pass")))))

        threads = [Thread(target=read) for _ in range(12)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
    assert texts == [TEXT] * 12
    assert took < 12 * 0.4


def pieces(text: str) -> Iterator[str]:
    return (text[:end] for end in range(len(text) + 1))


def test_nothing_is_shown_that_a_stop_string_takes_back() -> None:
    text, stops = "one STO two STOP three", ("STOP", "thr")
    final = cut(text, stops)
    assert final == "one STO two "
    for so_far in pieces(text):
        assert final.startswith(shown(so_far, stops))
    assert shown("one ST", stops) == "one "
    assert shown("one STx", stops) == "one STx"
