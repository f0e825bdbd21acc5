"""docs/gateway.md and the example do what they say; the command serves until it is told to stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateway_server import gateway_at
from scripted_server import served

from its_agent.backends.scripted import Reply, ScriptedBackend

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8001"
KEY = "sk-of-a-test-0123456789"
COMMAND = [sys.executable, "-c", "from its_agent.cli import main; main()"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def knows_42() -> ScriptedBackend:
    return ScriptedBackend(lambda request, index: Reply(text=r"It is \boxed{42}."))


@pytest.fixture
def url() -> Iterator[str]:
    with gateway_at(knows_42(), estimate=()) as address:
        yield address


def done(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=50, env={**os.environ, **env}
    )


def test_the_python_of_the_page_runs(url: str) -> None:
    script = "\n".join(blocks("python")).replace(ADDRESS, url)
    ended = done([sys.executable, "-c", script])
    assert ended.returncode == 0, ended.stderr
    assert r"It is \boxed{42}." in ended.stdout
    assert "42 agreed" in ended.stdout


def test_the_commands_of_the_page_run(url: str) -> None:
    (command,) = blocks("bash")
    ended = done(["bash", "-c", command.replace(ADDRESS, url)])
    assert '"id":"scripted"' in ended.stdout


def test_the_keys_of_the_page_are_a_file_of_keys(tmp_path: Path) -> None:
    from its_agent.integrations.gateway import keys_in

    (text,) = blocks("toml")
    assert tomllib.loads(text)
    (tmp_path / "keys.toml").write_text(text)
    assert keys_in(tmp_path / "keys.toml")[0].per_minute == 60


def test_the_example_runs() -> None:
    with served(knows_42()) as engine:
        ended = done([sys.executable, str(ROOT / "examples/openai_client.py")], ITS_BASE_URL=engine)
    assert ended.returncode == 0, ended.stderr
    assert "\n42 best_effort" in ended.stdout


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    with served(knows_42()) as engine:
        command = [*COMMAND, "serve", "--port", "0", "--base-url", engine, "--max-budget", "900"]
        with subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ITS_GATEWAY_KEYS": KEY},
        ) as gateway:
            assert gateway.stderr is not None
            line = next(line for line in gateway.stderr if "the gateway answers at" in line)
            chat = f"{line.split()[-1]}/chat/completions"
            body = {
                "model": "scripted",
                "messages": [{"role": "user", "content": "What is 17 + 25?"}],
            }
            headers = {"Authorization": f"Bearer {KEY}"}
            good = httpx.post(chat, json=body, headers=headers, timeout=30)
            greedy = httpx.post(chat, json=body | {"max_compute_budget": 901}, headers=headers)
            keyless = httpx.post(chat, json=body)
            gateway.send_signal(signal.SIGINT)
            log = gateway.stderr.read()
            code = gateway.wait(20)
    assert good.json()["choices"][0]["message"]["content"] == r"It is \boxed{42}."
    assert (greedy.status_code, keyless.status_code) == (400, 401)
    assert code == 130
    assert f"request={good.headers['x-request-id']}" in log
    assert "Traceback" not in log
    assert KEY not in log
    assert "What is" not in log
