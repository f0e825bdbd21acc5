"""What only a real engine shows of a whole solve: true receipts, real aborts, running examples."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from its_agent import Agent, Budget, StopSignal
from its_agent.backends import VLLMBackend
from its_agent.backends.counters import EngineCounters, read_counters
from its_agent.backends.embedded import EmbeddedServer
from its_agent.errors import SolveFailed

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NEED_TOOLS = {"tools_and_budget.py", "with_tools.py"}
"""They take a very small model long, which knows no tools; test_examples runs them on a script."""
BUDGET = 700
QUESTION = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many in total?"


@pytest_asyncio.fixture
async def backend(engine: EmbeddedServer) -> AsyncIterator[VLLMBackend]:
    backend = VLLMBackend(engine.base_url, dtype=engine.dtype)
    yield backend
    await backend.aclose()


async def at_rest(engine: EmbeddedServer) -> EngineCounters:
    """The engine's counters once they stand still; they lag behind its answers a little."""
    before = await read_counters(engine.base_url)
    while True:
        await asyncio.sleep(0.3)
        now = await read_counters(engine.base_url)
        if now == before and now.requests_running == 0:
            return now
        before = now


@pytest.mark.parametrize("strategy", ["adaptive", "self_consistency", "refine", "beam"])
async def test_the_receipt_equals_the_engines_own_counters(
    engine: EmbeddedServer, backend: VLLMBackend, strategy: str
) -> None:
    before = await at_rest(engine)
    async with Agent(backend, strategy=strategy, max_tokens=64) as agent:
        solution = await agent.asolve(QUESTION, max_compute_budget=BUDGET)
        used = await at_rest(engine) - before
        receipt = solution.receipt
        assert receipt.spent.completion_tokens == used.generation_tokens > 0
        assert receipt.engine_prompt_tokens == used.prompt_tokens > 0
        assert receipt.spent.compute <= BUDGET
        assert receipt.engine.model == engine.model
        assert (receipt.engine.engine or "").startswith("vllm ")
        assert receipt.engine.dtype == engine.dtype


async def test_cancelling_a_solve_empties_the_engine_within_a_second(
    engine: EmbeddedServer, backend: VLLMBackend
) -> None:
    async with Agent(backend, strategy="self_consistency", max_tokens=1500) as agent:
        story = "Write a very long story about a ship. What is 2 + 2 at its end?"
        task = asyncio.create_task(agent.asolve(story, max_compute_budget=50_000))
        while (await read_counters(engine.base_url)).requests_running < 4:
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(1):
            while (await read_counters(engine.base_url)).requests_running:
                await asyncio.sleep(0.05)


async def test_a_deadline_is_kept_by_a_real_engine(backend: VLLMBackend) -> None:
    async with Agent(backend, strategy="self_consistency", max_tokens=2000) as agent:
        budget = Budget(seconds=3.0, compute=8_500)
        solution = await agent.asolve(
            "Count from 1 to 900. What is the last?", max_compute_budget=budget
        )
        assert solution.receipt.stopped_because == "deadline"
        assert 3.0 <= solution.receipt.elapsed_seconds < 3.25


async def test_what_an_abort_leaves_unseen_is_within_the_bound_on_the_receipt(
    engine: EmbeddedServer, backend: VLLMBackend
) -> None:
    async with Agent(backend, strategy="self_consistency", max_tokens=1500) as agent:
        before = await at_rest(engine)
        for seconds in (0.7, 1.1, 1.6):
            stop = StopSignal()
            asyncio.get_running_loop().call_later(seconds, stop.set)
            try:
                solution = await agent.asolve(
                    "Count from 1 to 900. What is the last?", max_compute_budget=13_000, stop=stop
                )
            except SolveFailed as failed:
                receipt = failed.receipt
            else:
                receipt = solution.receipt
            after = await at_rest(engine)
            made = (after - before).generation_tokens
            before = after
            seen = receipt.spent.completion_tokens - receipt.unseen_tokens
            assert seen <= made <= receipt.spent.completion_tokens
            assert receipt.stopped_because == "cancelled"


@pytest.mark.parametrize(
    "example",
    sorted(path.name for path in EXAMPLES.glob("*.py") if path.name not in NEED_TOOLS),
)
def test_the_examples_run(engine: EmbeddedServer, example: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), engine.base_url],
        env={**os.environ, "ITS_BASE_URL": engine.base_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_command_line_solves_on_a_running_server(engine: EmbeddedServer) -> None:
    command = [sys.executable, "-c", "from its_agent.cli import main; main()"]
    done = subprocess.run(
        [*command, "solve", "-", "--budget", "200", "--base-url", engine.base_url],
        input="What is 2 + 3?",
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "compute units of 200" in done.stdout
