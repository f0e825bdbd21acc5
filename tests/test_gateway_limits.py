"""Who is let in, how often, how much and how large; and that keys go nowhere."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import fake_vllm
import httpx
import pytest
from gateway_server import engine_at, gateway_at
from openai import APIStatusError, OpenAI

from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.cli import main
from its_agent.errors import InvalidOption, PortInUse
from its_agent.integrations.gateway import (
    GatewayOptions,
    Key,
    keys_in,
    keys_listed,
    listening,
    names_of,
)
from its_agent.integrations.gateway.keys import key_of
from its_agent.integrations.gateway.rate import Rate
from its_agent.integrations.gateway.refusal import Refusal
from its_agent.integrations.gateway.tenants import Tenants

QUESTION: Any = [{"role": "user", "content": "What is 17 + 25?"}]
SECRET, OTHER = "sk-first-0123456789", "sk-other-0123456789"
BODY = {"model": "scripted@single_pass", "messages": QUESTION}


def replies(count: int = 100) -> ScriptedBackend:
    return ScriptedBackend([Reply(text=r"It is \boxed{42}.")] * count)


def keyed(**limits: int) -> tuple[Key, ...]:
    return keys_listed(SECRET, **limits)


def client_of(url: str, key: str = SECRET) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def ask(client: OpenAI, model: str = "scripted@single_pass") -> Any:
    return client.chat.completions.create(model=model, messages=QUESTION)


@pytest.fixture
def url() -> Iterator[str]:
    with gateway_at(replies(), keys=keyed()) as address:
        yield address


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", f"Bearer {OTHER}", f"Basic {SECRET}", f"Bearer {SECRET}x"]
)
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/v1/chat/completions", "/nothing"])
def test_without_a_valid_key_nobody_comes_in(url: str, header: str | None, path: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.post(url + path, headers=headers, json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_a_key_clients_are_answered(url: str) -> None:
    with client_of(url) as client:
        assert ask(client).choices[0].message.content == r"It is \boxed{42}."


def test_health_and_the_description_need_no_key(url: str) -> None:
    assert httpx.get(f"{url}/health").status_code == 200
    assert httpx.get(f"{url}/openapi.json").status_code == 200


def test_a_key_goes_neither_to_the_engine_nor_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = fake_vllm.serving()
    with (
        caplog.at_level(logging.DEBUG),
        engine_at(server) as engine,
        gateway_at(engine, keys=keyed()) as url,
        client_of(url) as client,
    ):
        ask(client, "qwen@single_pass")
    assert server.bodies(fake_vllm.CHAT)
    for headers in server.headers:
        assert "authorization" not in {name.lower() for name in headers}
        assert not any(SECRET in value for value in headers.values())
    told = [r.getMessage() for r in caplog.records if r.name.startswith("its_agent")]
    assert any("key=key_1" in line for line in told)
    assert not any(SECRET in line for line in told)


def test_the_compute_of_a_key_is_never_exceeded() -> None:
    keys = (
        *keys_listed(SECRET, compute=90),
        Key(name="rich", digest=keys_listed(OTHER)[0].digest),
    )
    with gateway_at(replies(), keys=keys) as url, client_of(url) as poor:
        spent = ask(poor).usage.total_tokens + ask(poor).usage.total_tokens
        with pytest.raises(APIStatusError) as refusal:
            ask(poor)
        assert (refusal.value.status_code, refusal.value.code) == (429, "insufficient_quota")
        assert refusal.value.response.headers["x-should-retry"] == "false"
        assert 60 < spent <= 90
        with client_of(url, OTHER) as rich:
            assert ask(rich).usage.total_tokens > 0


def test_a_key_may_ask_so_often_in_a_minute() -> None:
    with gateway_at(replies(), keys=keyed(per_minute=2)) as url, client_of(url) as client:
        ask(client)
        ask(client)
        with pytest.raises(APIStatusError) as refusal:
            ask(client)
    assert (refusal.value.status_code, refusal.value.code) == (429, "rate_limit_exceeded")
    assert 1 <= int(refusal.value.response.headers["retry-after"]) <= 60


def test_places_of_a_minute_come_free_one_by_one() -> None:
    now = 0.0
    rate = Rate(2, lambda: now)
    assert rate.take() is None
    now = 20.0
    assert rate.take() is None
    now = 30.5
    assert rate.take() == 30
    now = 60.0
    assert rate.take() is None
    assert rate.take() == 20


def test_a_body_that_is_too_large_is_a_413() -> None:
    with gateway_at(replies(), GatewayOptions(body_bytes=2_000)) as url:
        chat = f"{url}/v1/chat/completions"
        body = BODY | {"messages": [{"role": "user", "content": "x" * 5_000}]}
        declared = httpx.post(chat, json=body)

        def pieces() -> Iterator[bytes]:
            yield from (b" " * 500 for _ in range(40))

        headers = {"Content-Type": "application/json"}
        undeclared = httpx.post(chat, content=pieces(), headers=headers)
        fitting = httpx.post(chat, json=BODY)
    for answer in (declared, undeclared):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert fitting.status_code == 200


def test_a_body_that_does_not_come_is_a_408() -> None:
    with gateway_at(replies(), GatewayOptions(body_seconds=0.1)) as url:
        host, port = url.removeprefix("http://").split(":")
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\n"
            "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head.encode())
            assert b"408" in connection.recv(64)


def test_a_body_that_is_not_called_json_is_a_415(url: str) -> None:
    answer = httpx.post(
        f"{url}/v1/chat/completions",
        content=b"{}",
        headers={"Content-Type": "text/plain", "Authorization": f"Bearer {SECRET}"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_more_requests_at_once_than_allowed_are_a_503() -> None:
    slow = ScriptedBackend(lambda r, i: Reply(text="1 2 3 4"), delay=0.5, chunk_tokens=1)
    options = GatewayOptions(concurrency=1)
    with gateway_at(slow, options) as url:
        chat = f"{url}/v1/chat/completions"
        with httpx.stream("POST", chat, json=BODY | {"stream": True}) as first:
            assert first.status_code == 200
            second = httpx.post(chat, json=BODY)
        assert second.status_code == 503
        assert second.json()["error"]["code"] == "too_many_requests_at_once"
        assert int(second.headers["retry-after"]) > 0
    assert len(slow.requests) == 1


def test_elsewhere_than_on_this_machine_keys_are_asked_for() -> None:
    with pytest.raises(InvalidOption, match="give API keys"):
        names_of("0.0.0.0", ())
    assert names_of("0.0.0.0", keyed()) == ()
    assert "localhost" in names_of("127.0.0.1", ())


def test_the_command_refuses_to_listen_elsewhere_without_keys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ITS_GATEWAY_KEYS", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--host", "0.0.0.0", "--base-url", fake_vllm.ADDRESS])
    assert ended.value.code == 2
    assert "give API keys" in capsys.readouterr().err


async def test_a_port_that_is_taken_is_told() -> None:
    async def app(*_: Any) -> None: ...

    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(PortInUse, match="choose another --port"):
            await listening(app, host="127.0.0.1", port=number).__aenter__()


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(
        f'[keys.alice]\nkey = "{SECRET}"\ncompute = 1_000\n[keys.bob]\nkey = "{OTHER}"\n'
        "per_minute = 5\n"
    )
    alice, bob = keys_in(file)
    assert (alice.name, alice.compute, alice.per_minute) == ("alice", 1_000, None)
    assert (bob.name, bob.compute, bob.per_minute) == ("bob", None, 5)
    assert key_of(OTHER, (alice, bob)) is bob
    assert key_of(OTHER, (alice,)) is None
    assert SECRET not in repr((alice, bob))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[keys]",
        "not toml at all",
        '[keys.a]\nkey = "short-secret"',
        f'[keys.a]\nkey = "{SECRET}"\ncolour = "{SECRET}"',
        f'[keys.a]\nkey = "{SECRET}"\ncompute = 0',
        f'[keys.a]\nkey = "{SECRET}é"',
        f'[keys.a]\nkey = " {SECRET}"',
        f'[keys.a]\nkey = "{SECRET}"\n[keys.b]\nkey = "{SECRET}"',
    ],
)
def test_a_wrong_file_of_keys_is_told_without_a_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(InvalidOption) as error:
        keys_in(file)
    assert SECRET not in str(error.value)
    assert "short-secret" not in str(error.value)


def test_a_short_key_of_the_environment_is_refused() -> None:
    with pytest.raises(InvalidOption, match="less than 16") as error:
        keys_listed("hunter2")
    assert "hunter2" not in str(error.value)
    with pytest.raises(InvalidOption, match="printable ASCII"):
        keys_listed(f"{SECRET}é")


@pytest.mark.parametrize(
    ("name", "key", "says"), [("key 1", OTHER, "same name"), ("alice", SECRET, "same key")]
)
def test_a_key_of_the_file_and_one_of_the_environment_are_told_apart(
    tmp_path: Path, name: str, key: str, says: str
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'[keys."{name}"]\nkey = "{key}"\n')
    with pytest.raises(InvalidOption, match=says):
        Tenants([*keys_in(file), *keyed(compute=5)])


@pytest.mark.parametrize(
    "options",
    [
        {"default_budget": 10, "most_compute": 9},
        {"concurrency": 0},
        {"seconds": -1.0},
        {"strategy": "beam", "strategies": ("adaptive",)},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        GatewayOptions(**options)


def test_a_key_whose_rest_is_held_by_another_request_waits_and_is_not_refused() -> None:
    slow = ScriptedBackend(lambda r, i: Reply(text="1 2 3 4"), delay=0.05, chunk_tokens=1)
    statuses: list[int] = []
    with gateway_at(slow, keys=keyed(compute=150), max_tokens=64) as url:

        def post() -> None:
            headers = {"Authorization": f"Bearer {SECRET}"}
            answer = httpx.post(f"{url}/v1/chat/completions", json=BODY, headers=headers)
            statuses.append(answer.status_code)

        threads = [Thread(target=post) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200, 200]


def test_nobody_is_told_by_which_part_a_key_is_wrong() -> None:
    tenants = Tenants(keyed())
    messages = set[str]()
    for wrong in ("x", SECRET[:-1], SECRET + "x"):
        with pytest.raises(Refusal) as refused:
            tenants.of(f"Bearer {wrong}")
        messages.add(str(refused.value))
    assert len(messages) == 1
