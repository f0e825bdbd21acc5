"""Several answers to one request, each of a solve of its own with an equal part of the budget."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gateway_server import gateway_at
from openai import BadRequestError, OpenAI

from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import BackendLost

QUESTION: Any = [{"role": "user", "content": "What is 17 + 25?"}]
TEXT = r"17 and 25 make 42, so it is \boxed{42}."
BUDGET = 900


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend(lambda request, index: Reply(text=TEXT))


@pytest.fixture
def client(backend: ScriptedBackend) -> Iterator[OpenAI]:
    with gateway_at(backend) as url, OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        yield client


def asked(client: OpenAI, **more: Any) -> Any:
    own = {"max_compute_budget": BUDGET, "receipt": True}
    create: Any = client.chat.completions.create
    return create(model="scripted", messages=QUESTION, extra_body=own, **more)


def test_each_of_three_answers_has_a_third_of_the_budget_and_its_own_receipt(
    client: OpenAI, backend: ScriptedBackend
) -> None:
    before = backend.generated_tokens
    answer = asked(client, n=3)
    assert [one.index for one in answer.choices] == [0, 1, 2]
    assert {one.message.content for one in answer.choices} == {TEXT}
    receipts = [one.its["receipt"] for one in answer.choices]
    assert [receipt["budget"]["compute"] for receipt in receipts] == [BUDGET // 3] * 3
    assert len({receipt["run_id"] for receipt in receipts}) == 3
    assert "its" not in answer.model_extra
    told = sum(receipt["spent"]["completion_tokens"] for receipt in receipts)
    assert answer.usage.completion_tokens == told == backend.generated_tokens - before
    assert sum(receipt["spent"]["compute"] for receipt in receipts) <= BUDGET


def test_several_answers_are_streamed_side_by_side() -> None:
    backend = ScriptedBackend(lambda request, index: Reply(text=TEXT), delay=0.02, chunk_tokens=4)
    body = {"model": "scripted@single_pass", "messages": QUESTION, "n": 2, "stream": True}
    body |= {"stream_options": {"include_usage": True}, "receipt": True}
    with (
        gateway_at(backend) as url,
        httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=30) as answer,
    ):
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line[6:]) for line in lines[:-1] if line.startswith("data: ")]
    texts = {0: "", 1: ""}
    ends: dict[int, Any] = {}
    order: list[int] = []
    for choice in (one for chunk in chunks for one in chunk["choices"]):
        order.append(choice["index"])
        texts[choice["index"]] += choice["delta"].get("content", "")
        if choice["finish_reason"]:
            ends[choice["index"]] = choice
    assert texts == {0: TEXT, 1: TEXT}
    assert {number: end["finish_reason"] for number, end in ends.items()} == {0: "stop", 1: "stop"}
    assert order != sorted(order)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == backend.generated_tokens
    spent = sum(end["its"]["receipt"]["spent"]["completion_tokens"] for end in ends.values())
    assert spent == backend.generated_tokens
    comments = [json.loads(line[6:]) for line in lines if line.startswith(": its ")]
    assert {comment["choice"] for comment in comments} == {0, 1}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_had_takes_no_other_with_it(stream: bool) -> None:
    said = iter(['{"sum": 42}', "It is 42."])

    def script(request: Request, index: int) -> Reply:
        return Reply(text=next(said))

    backend = ScriptedBackend(script)
    body = {"model": "scripted@single_pass", "messages": QUESTION, "n": 2, "stream": stream}
    body |= {"response_format": {"type": "json_object"}}
    body |= {"stream_options": {"include_usage": True}} if stream else {}
    with gateway_at(backend) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200
    if stream:
        pieces = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        chunks = [json.loads(piece) for piece in pieces]
        texts = [one["delta"].get("content", "") for c in chunks for one in c.get("choices", ())]
        text, usage = "".join(texts), chunks[-1]["usage"]
    else:
        (choice,) = answer.json()["choices"]
        text, usage = choice["message"]["content"], answer.json()["usage"]
    assert json.loads(text) == {"sum": 42}
    assert usage["completion_tokens"] == backend.generated_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_where_no_solve_has_an_answer_the_error_is_that_of_one(stream: bool) -> None:
    with gateway_at(ScriptedBackend(lambda request, index: BackendLost("gone"))) as url:
        body = {"model": "scripted", "messages": QUESTION, "n": 2, "stream": stream}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    if stream:
        (error,) = [line for line in answer.text.splitlines() if '"error"' in line]
        assert json.loads(error[6:])["error"]["code"] == "backend_lost"
    else:
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "backend_lost"


def test_a_log_line_holds_what_all_solves_spent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="its_agent.gateway")
    backend = ScriptedBackend(lambda request, index: Reply(text=TEXT))
    with gateway_at(backend) as url, OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        answer = asked(client, n=2)
    spent = sum(one.its["receipt"]["spent"]["compute"] for one in answer.choices)
    assert f"compute={spent}" in caplog.text


@pytest.mark.parametrize(("n", "budget"), [(0, 900), (9, 900), (8, 7)])
def test_a_number_of_answers_that_cannot_be_had_is_refused(
    client: OpenAI, n: int, budget: int
) -> None:
    create: Any = client.chat.completions.create
    with pytest.raises(BadRequestError) as refused:
        create(
            model="scripted",
            messages=QUESTION,
            n=n,
            extra_body={"max_compute_budget": budget},
        )
    assert refused.value.param == "n"
