"""The gateway before real clients: answers, usage, receipts, budgets, errors, the log."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import fake_vllm
import httpx
import pytest
from gateway_server import engine_at, gateway_at
from langchain_openai import ChatOpenAI
from openai import APIStatusError, OpenAI
from pydantic import SecretStr

from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import MissingExtra
from its_agent.integrations.gateway import GatewayOptions
from its_agent.integrations.gateway.extra import require_gateway

QUESTION: Any = [{"role": "user", "content": "What is 17 + 25?"}]
TEXT = r"17 and 25 make 42, so it is \boxed{42}."


def adder(request: Request, index: int) -> Reply:
    """Knows one sum, and says so in whatever form it is asked."""
    if request.choices:
        return Reply(text=request.choices[0], top_logprobs={request.choices[0]: -0.1})
    if request.schema is not None:
        return Reply(text='{"sum": 42}')
    return Reply(text=TEXT)


@pytest.fixture(scope="module")
def backend() -> ScriptedBackend:
    return ScriptedBackend(adder)


@pytest.fixture(scope="module")
def url(backend: ScriptedBackend) -> Iterator[str]:
    with gateway_at(backend, GatewayOptions(most_compute=9_000)) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as made:
        yield made


def asked(client: OpenAI, model: str = "scripted", **more: Any) -> Any:
    create: Any = client.chat.completions.create
    return create(model=model, messages=QUESTION, **more)


def refused(client: OpenAI, model: str = "scripted", **more: Any) -> APIStatusError:
    with pytest.raises(APIStatusError) as refusal:
        asked(client, model, **more)
    return refusal.value


def test_the_openai_client_gets_an_answer(client: OpenAI) -> None:
    answer = asked(client)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "scripted"
    assert "its" not in answer.model_extra


def test_usage_holds_every_hidden_token_once(client: OpenAI, backend: ScriptedBackend) -> None:
    before = backend.generated_tokens
    answer = asked(client, extra_body={"receipt": True})
    usage, spent = answer.usage, answer.its["receipt"]["spent"]
    assert usage.completion_tokens == backend.generated_tokens - before
    assert usage.completion_tokens == spent["completion_tokens"]
    assert usage.prompt_tokens == spent["prompt_tokens"]
    assert usage.total_tokens == spent["compute"]
    shown = 15
    assert usage.completion_tokens_details.reasoning_tokens == usage.completion_tokens - shown


@pytest.mark.parametrize(
    "how", [{"extra_body": {"receipt": True}}, {"extra_headers": {"X-ITS-Receipt": "1"}}]
)
def test_a_receipt_comes_on_request(client: OpenAI, how: Any) -> None:
    its = asked(client, **how).its
    assert its["answer"] == "42"
    assert its["status"] == "agreed"
    assert its["stopped_because"] == its["receipt"]["stopped_because"] == "confident"
    assert 0.9 < its["confidence"] <= 1


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("scripted", {"extra_body": {"max_compute_budget": 300}}),
        ("scripted", {"extra_headers": {"X-ITS-Budget": "300"}}),
        ("scripted@300", {}),
        ("scripted@300", {"extra_body": {"max_compute_budget": 300}}),
    ],
)
def test_a_budget_is_told_in_three_ways(client: OpenAI, model: str, how: Any) -> None:
    more = {**how, "extra_body": {**how.get("extra_body", {}), "receipt": True}}
    receipt = asked(client, model, **more).its["receipt"]
    assert receipt["budget"]["compute"] == 300
    assert receipt["spent"]["compute"] <= 300


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("scripted", {"extra_body": {"strategy": "self_consistency"}}),
        ("scripted", {"extra_headers": {"X-ITS-Strategy": "self_consistency"}}),
        ("scripted@self_consistency", {}),
        ("scripted@self_consistency@400", {}),
        ("scripted@400@self_consistency", {}),
    ],
)
def test_a_strategy_is_told_in_three_ways(client: OpenAI, model: str, how: Any) -> None:
    more = {**how, "extra_body": {**how.get("extra_body", {}), "receipt": True}}
    receipt = asked(client, model, **more).its["receipt"]
    assert {step["path"] for step in receipt["steps"]} == {"attempts"}
    assert "estimate" not in receipt["by_purpose"]


@pytest.mark.parametrize(
    ("model", "how", "param", "code"),
    [
        ("scripted@9001", {}, "model", "budget_too_large"),
        ("scripted@0", {}, "model", "invalid_value"),
        ("scripted@", {}, "model", "unknown_strategy"),
        ("scripted@300@400", {}, "model", "invalid_value"),
        ("scripted@beam@mcts", {}, "model", "invalid_value"),
        ("scripted", {"extra_headers": {"X-ITS-Budget": "lots"}}, "X-ITS-Budget", "invalid_value"),
        ("scripted", {"extra_headers": {"X-ITS-Receipt": "yes"}}, "X-ITS-Receipt", "invalid_value"),
        ("scripted@300", {"extra_body": {"max_compute_budget": 301}}, None, "invalid_value"),
        ("scripted", {"extra_body": {"max_compute_budget": 3}}, None, "invalid_budget"),
        ("scripted", {"extra_body": {"strategy": "magic"}}, "strategy", "unknown_strategy"),
    ],
)
def test_a_wrong_budget_strategy_or_header_is_a_400_that_names_it(
    client: OpenAI, model: str, how: Any, param: str | None, code: str
) -> None:
    error = refused(client, model, **how)
    assert (error.status_code, error.code) == (400, code)
    assert error.param == (param or "max_compute_budget")


def test_another_model_is_a_404(client: OpenAI) -> None:
    error = refused(client, "gpt-4o")
    assert (error.status_code, error.code, error.param) == (404, "model_not_found", "model")
    assert "scripted" in error.message


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["scripted"]
    assert client.models.retrieve("scripted").id == "scripted"
    with pytest.raises(APIStatusError, match="no such model"):
        client.models.retrieve("gpt-4o")


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_json_that_is_asked_for_is_all_that_comes(
    client: OpenAI, backend: ScriptedBackend, kind: str
) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    named = {"json_schema": {"name": "sum", "schema": schema, "strict": True}}
    wanted = {"type": kind, **(named if kind == "json_schema" else {})}
    answer = asked(client, response_format=wanted)
    assert json.loads(answer.choices[0].message.content) == {"sum": 42}
    asked_for = backend.requests[-1].schema
    assert asked_for == (schema if kind == "json_schema" else {"type": "object"})


def test_json_that_does_not_fit_is_an_error_and_no_answer() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array"}}}
    with (
        gateway_at(ScriptedBackend(adder)) as url,
        OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
    ):
        error = refused(client, response_format=wanted)
    assert (error.status_code, error.code) == (502, "no_valid_json")
    assert error.response.json()["its"]["receipt"]["spent"]["compute"] > 0


def test_an_answer_ends_before_a_stop_string(client: OpenAI) -> None:
    answer = asked(client, stop=[" so", "42."])
    assert answer.choices[0].message.content == "17 and 25 make 42,"
    assert answer.choices[0].finish_reason == "stop"


def test_max_tokens_cuts_an_answer_and_says_so(client: OpenAI, backend: ScriptedBackend) -> None:
    answer = asked(client, "scripted@single_pass", max_completion_tokens=4)
    assert answer.choices[0].message.content == "17 and 25 make"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 4


def test_sampling_settings_reach_the_engine(client: OpenAI, backend: ScriptedBackend) -> None:
    asked(client, "scripted@self_consistency@200", temperature=0.3, top_p=0.5, max_tokens=33)
    last = backend.requests[-1]
    assert (last.temperature, last.top_p, last.max_tokens) == (0.3, 0.5, 33)


def test_parts_and_roles_reach_the_engine_as_text(client: OpenAI, backend: ScriptedBackend) -> None:
    parts = [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]
    before: Any = [
        {"role": "developer", "content": parts},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hi.", "refusal": None, "tool_calls": None},
    ]
    client.chat.completions.create(model="scripted@single_pass", messages=[*before, *QUESTION])
    messages = backend.requests[-1].messages
    assert messages[0] == {"role": "system", "content": "Be\nbrief."}
    assert messages[2] == {"role": "assistant", "content": "Hi."}
    assert messages[-1]["content"].startswith("What is 17 + 25?")


def test_langchains_chat_model_gets_answers_and_usage(url: str) -> None:
    name = "scripted@self_consistency@800"
    model = ChatOpenAI(base_url=f"{url}/v1", api_key=SecretStr("unused"), model=name)
    message = model.invoke("What is 17 + 25?")
    assert message.content == TEXT
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] > 100
    pieces = list(model.stream("What is 17 + 25?", stream_usage=True))
    assert "".join(str(piece.content) for piece in pieces) == TEXT
    told = [piece.usage_metadata for piece in pieces if piece.usage_metadata is not None]
    assert sum(usage["total_tokens"] for usage in told) > 100


def test_langchains_structured_output_works(url: str) -> None:
    model: Any = ChatOpenAI(base_url=f"{url}/v1", api_key=SecretStr("unused"), model="scripted")
    schema = {
        "title": "Sum",
        "description": "a sum",
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
    }
    structured = model.with_structured_output(schema, method="json_schema")
    assert structured.invoke("What is 17 + 25?") == {"sum": 42}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_an_answer(url: str) -> None:
    body = json.dumps({"model": "scripted", "messages": QUESTION})
    told = ["-H", "Content-Type: application/json", "-d", body]
    done = subprocess.run(
        ["curl", "-sS", f"{url}/v1/chat/completions", *told],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == TEXT


def test_many_clients_are_answered_at_once(client: OpenAI) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(asked, [client] * 48))
    assert {answer.choices[0].message.content for answer in answers} == {TEXT}
    assert len({answer.id for answer in answers}) == 48


def test_metrics_count_solves_compute_and_refusals(backend: ScriptedBackend) -> None:
    with gateway_at(backend) as url, OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        spent = asked(client).usage.total_tokens
        refused(client, seed=1)
        page = httpx.get(f"{url}/metrics").text
    solved = 'status="agreed",stopped_because="confident",strategy="adaptive"'
    assert f"its_solves_total{{{solved}}} 1.0" in page
    assert f'its_compute_units_total{{strategy="adaptive"}} {float(spent)}' in page
    assert 'its_refusals_total{code="unsupported_parameter",status="400"} 1.0' in page
    assert 'its_solve_seconds_count{strategy="adaptive"} 1.0' in page
    assert "its_solves_in_flight 0.0" in page


def test_an_engine_that_is_down_is_a_503_and_never_an_answer() -> None:
    with engine_at(fake_vllm.serving()) as engine:
        pass
    with gateway_at(engine) as url:
        body = {"model": "qwen", "messages": QUESTION}
        answers = [
            httpx.post(f"{url}/v1/chat/completions", json=body),
            httpx.post(f"{url}/v1/chat/completions", json=body | {"stream": True}),
            httpx.get(f"{url}/v1/models"),
            httpx.get(f"{url}/health"),
        ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "engine_unavailable"
        assert answer.headers["retry-after"]
        assert engine.removeprefix("http://") not in answer.text


def test_an_engine_that_goes_away_between_two_requests_is_a_503() -> None:
    body = {"model": "qwen@single_pass", "messages": QUESTION}
    with ExitStack() as engine_runs:
        engine = engine_runs.enter_context(engine_at(fake_vllm.serving()))
        with gateway_at(engine) as url:
            chat = f"{url}/v1/chat/completions"
            before = httpx.post(chat, json=body)
            engine_runs.close()
            after = httpx.post(chat, json=body, timeout=30)
    assert before.json()["choices"][0]["message"]["content"] == "42"
    assert (after.status_code, after.json()["error"]["code"]) == (503, "backend_lost")
    assert "Cannot connect" in after.text
    for shown in (engine.removeprefix("http://"), f"', {engine.rpartition(':')[2]}"):
        assert shown not in after.text


def test_what_an_engine_does_not_take_is_told_without_its_address() -> None:
    server = fake_vllm.serving()
    said = {"error": {"message": "the maximum context length is 5 tokens", "code": 400}}
    server.answers["/tokenize"] = lambda: fake_vllm.page(said, 400)
    with engine_at(server) as engine:
        with gateway_at(engine) as url:
            body = {"model": "qwen", "messages": QUESTION}
            too_long = httpx.post(f"{url}/v1/chat/completions", json=body)
        with gateway_at(VLLMBackend(engine, "other")) as url:
            other = httpx.get(f"{url}/v1/models")
    assert (too_long.status_code, too_long.json()["error"]["param"]) == (400, "messages")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    for answer in (too_long, other):
        assert answer.json()["error"]["message"].startswith("the engine ")
        assert engine.removeprefix("http://") not in answer.text


def test_an_engine_that_fails_in_the_middle_is_a_503_with_the_receipt() -> None:
    server = fake_vllm.serving()
    server.answers[fake_vllm.CHAT] = lambda: fake_vllm.page({"error": {"message": "no"}}, 403)
    with engine_at(server) as engine, gateway_at(engine) as url:
        answer = httpx.post(
            f"{url}/v1/chat/completions", json={"model": "qwen", "messages": QUESTION}
        )
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "backend_lost"
    receipt = answer.json()["its"]["receipt"]
    assert receipt["stopped_because"] == "backend_lost"
    assert engine.removeprefix("http://") not in answer.text


def test_health_is_the_engines(url: str) -> None:
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}


def test_every_answer_has_a_request_id(url: str) -> None:
    own = httpx.get(f"{url}/v1/models", headers={"X-Request-ID": "mine-1"})
    assert own.headers["x-request-id"] == "mine-1"
    strange = httpx.get(f"{url}/v1/nothing", headers={"X-Request-ID": "a b\tc"})
    assert strange.status_code == 404
    assert len(strange.headers["x-request-id"]) == 32


def test_the_log_names_requests_and_holds_no_prompt(
    client: OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        asked(client, user="somebody", extra_headers={"X-Request-ID": "told-1"})
        refused(client, seed=1)
    lines = [record.getMessage() for record in caplog.records]
    mine = next(line for line in lines if "request=told-1" in line)
    assert "POST /v1/chat/completions status=200" in mine
    assert "strategy=adaptive" in mine
    assert "stopped=confident" in mine
    told = "".join(record.getMessage() for record in caplog.records if "its_agent" in record.name)
    for word in ("What is", "somebody", "unused"):
        assert word not in told


def test_a_failure_of_the_gateway_is_a_500_whose_text_stays_out_of_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(request: Request, index: int) -> Reply:
        raise RuntimeError(f"cannot answer {request.messages}")

    with caplog.at_level(logging.DEBUG), gateway_at(ScriptedBackend(broken)) as url:
        body = {"model": "scripted", "messages": QUESTION}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert len(answer.headers["x-request-id"]) == 32
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("its_agent")]
    assert any("status=500" in line and "error=RuntimeError" in line for line in lines)
    assert "cannot answer" not in caplog.text + answer.text + "".join(capfd.readouterr())


def test_a_strategy_outside_the_operators_list_is_refused(backend: ScriptedBackend) -> None:
    options = GatewayOptions(strategies=("adaptive", "single_pass"))
    with (
        gateway_at(backend, options) as url,
        OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
    ):
        assert refused(client, "scripted@beam").code == "unknown_strategy"
        assert asked(client, "scripted@single_pass").choices[0].message.content == TEXT


def test_a_page_of_another_name_cannot_reach_a_gateway_without_keys(url: str) -> None:
    rebound = httpx.get(f"{url}/v1/models", headers={"Host": "evil.example"})
    assert (rebound.status_code, rebound.json()["error"]["code"]) == (403, "unknown_host")
    named = httpx.get(f"{url}/v1/models", headers={"Host": "localhost:1234"})
    assert named.status_code == 200


def test_completions_of_plain_text_are_not_there(client: OpenAI) -> None:
    with pytest.raises(APIStatusError) as refusal:
        client.completions.create(model="scripted", prompt="17 + 25 =")
    assert (refusal.value.status_code, refusal.value.code) == (404, "not_found")


def test_a_missing_package_is_told_with_its_command() -> None:
    with pytest.raises(MissingExtra, match=r"uvicorn.*pip install 'its-agent\[gateway\]'"):
        require_gateway(version_of=lambda name: None if name == "uvicorn" else "1.0")


def test_the_command_line_needs_none_of_the_gateways_packages() -> None:
    script = (
        "import sys, its_agent.cli\n"
        "brought = {'starlette', 'uvicorn', 'prometheus_client'} & set(sys.modules)\n"
        "sys.exit(', '.join(brought) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
