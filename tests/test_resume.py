"""A killed run goes on where it stood: nothing paid for is lost, nothing is refunded."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from resumable import EGGS, THREAD, saver_at
from scripted_server import served

from its_agent import Agent, Solution, Usage
from its_agent.backends.faulty import Fault, FaultyBackend
from its_agent.backends.protocol import ALL_CAPABILITIES, Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.errors import InvalidOption
from its_agent.graphs.solve import solve_graph
from its_agent.graphs.thread import IN_FLIGHT, charge, find, thread
from its_agent.policy import STRATEGIES

BUDGET = 6_000
CHECKPOINT_BYTES = 256 * 1024
"""Most bytes of one checkpoint of a run of 64 samples with 1,200 characters each."""


def replies(request: Request, index: int) -> Reply:
    """A solver whose answers differ, whose critiques find something, and whose searches end."""
    last = str(request.messages[-1]["content"])
    if "Check your solution" in last:
        return Reply(text='"So it is" is wrong.', tokens=12)
    if request.stop and not request.continue_partial:
        return Reply(text=f"Step {index}.\n\n", tokens=10)
    return Reply(text=f"So it is \\boxed{{{index % 5}}}.", tokens=40)


async def begun_and_left(
    backend: ScriptedBackend, saver: InMemorySaver, strategy: str, events: int
) -> None:
    """Leave a run for good once it has told so many events."""
    async with Agent(backend, strategy=strategy, checkpointer=saver) as agent:
        stream = agent.astream(EGGS, max_compute_budget=BUDGET, thread_id=THREAD)
        async for _ in stream:
            events -= 1
            if events == 0:
                break
        await stream.aclose()


def check_bill(solution: Solution, backend: ScriptedBackend) -> None:
    receipt = solution.receipt
    assert receipt.spent.compute <= BUDGET
    assert sum(receipt.by_purpose.values(), Usage()).compute == receipt.spent.compute
    assert receipt.spent.completion_tokens >= backend.generated_tokens
    lost = receipt.by_purpose.get(IN_FLIGHT, Usage())
    settled = receipt.spent.completion_tokens - lost.completion_tokens
    assert settled <= backend.generated_tokens + receipt.unseen_tokens
    assert len({c.id for c in solution.candidates}) == len(solution.candidates)


@pytest.mark.parametrize(
    "strategy",
    ["adaptive", "refine", "beam", "self_consistency", "budget_forcing", "early_exit"],
)
@pytest.mark.parametrize("events", [1, 2, 3, 4, 5, 7, 12, 17, 23, 31, 45])
async def test_a_run_that_was_left_keeps_its_samples_and_its_bill(
    strategy: str, events: int
) -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(replies, delay=0.0005)
    await begun_and_left(backend, saver, strategy, events)
    graph = solve_graph().compile(checkpointer=saver)
    before = await find(graph, THREAD)
    async with Agent(backend, strategy=strategy, checkpointer=saver) as agent:
        solution = await agent.aresume(THREAD)
    check_bill(solution, backend)
    kept = {c["id"]: c["text"] for c in before.values.get("candidates", [])}
    assert kept.items() <= {c.id: c.text for c in solution.candidates}.items()


LONG = "word " * 300 + EGGS


async def left_once(
    agent: Agent, backend: ScriptedBackend, until: Callable[[], bool], budget: int
) -> None:
    """Begin a run, and leave it for good at some moment inside a superstep."""
    running = asyncio.create_task(agent.asolve(LONG, max_compute_budget=budget, thread_id=THREAD))
    while not until():
        assert not running.done()
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait([running])


async def test_a_server_without_n_has_every_request_in_flight_charged() -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(
        lambda request, index: Reply(text=f"\\boxed{{{index}}}", tokens=40),
        capabilities=ALL_CAPABILITIES - {"n"},
        delay=0.05,
    )
    async with Agent(
        backend, strategy="self_consistency", max_tokens=40, checkpointer=saver
    ) as agent:
        await left_once(agent, backend, lambda: backend.generated_tokens > 100, 20_000)
        solution = await agent.aresume(THREAD)
    made = backend.prompt_tokens + backend.generated_tokens
    assert len(backend.requests) > 10
    assert made <= solution.receipt.spent.compute <= 20_000
    assert IN_FLIGHT in solution.receipt.by_purpose


async def test_what_is_tried_again_stays_within_the_reservation_that_a_kill_charges() -> None:
    saver = InMemorySaver()
    engine = ScriptedBackend(
        lambda request, index: Reply(text=f"\\boxed{{{index}}}", tokens=400), delay=0.01
    )
    faulty = FaultyBackend(
        engine, lambda place, request: Fault(kind="lost", after=40) if place == 0 else None
    )
    async with Agent(faulty, strategy="single_pass", max_tokens=400, checkpointer=saver) as agent:

        def is_tried_again() -> bool:
            return len(engine.requests) > 1 and engine.generated_tokens > 300

        await left_once(agent, engine, is_tried_again, 4_000)
        place = await find(solve_graph().compile(checkpointer=saver), THREAD)
    charged = sum(place.spent.values(), Usage())
    assert len(engine.requests) == 2
    assert charged.compute >= engine.prompt_tokens + engine.generated_tokens


class StoppingSaver(InMemorySaver):
    """Hangs in place of writing one of its checkpoints, as a process that is killed just then."""

    def __init__(self, checkpoint: int) -> None:
        super().__init__()
        self.left = checkpoint
        self.reached = asyncio.Event()

    async def aput(self, *args: Any, **kwargs: Any) -> RunnableConfig:
        self.left -= 1
        if self.left == 0:
            self.reached.set()
            await asyncio.Event().wait()
        return await super().aput(*args, **kwargs)


@pytest.mark.parametrize("strategy", ["refine", "beam"])
@pytest.mark.parametrize("checkpoint", range(2, 16))
async def test_a_run_goes_on_wherever_between_two_checkpoints_it_was_left(
    strategy: str, checkpoint: int
) -> None:
    saver = StoppingSaver(checkpoint)
    backend = ScriptedBackend(replies)
    async with Agent(backend, strategy=strategy, checkpointer=saver) as agent:
        run = agent.asolve(EGGS, max_compute_budget=BUDGET, thread_id=THREAD)
        solving = asyncio.create_task(run)
        reached = asyncio.create_task(saver.reached.wait())
        await asyncio.wait([solving, reached], return_when=asyncio.FIRST_COMPLETED)
        for task in (solving, reached):
            task.cancel()
        await asyncio.wait([solving, reached])
        graph = solve_graph().compile(checkpointer=saver)
        before = await find(graph, THREAD)
        solution = await agent.aresume(THREAD)
    check_bill(solution, backend)
    assert solution.answer is not None
    kept = {c["id"]: c["text"] for c in before.values.get("candidates", [])}
    assert kept.items() <= {c.id: c.text for c in solution.candidates}.items()


async def test_a_run_that_has_ended_is_told_again_and_costs_nothing() -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(replies)
    async with Agent(backend, checkpointer=saver) as agent:
        first = await agent.asolve(EGGS, max_compute_budget=BUDGET, thread_id=THREAD)
        asked = len(backend.requests)
        again = await agent.aresume(THREAD)
    assert len(backend.requests) == asked
    assert (again.answer, again.receipt.spent) == (first.answer, first.receipt.spent)
    assert again.receipt.steps == first.receipt.steps


async def test_going_back_in_a_run_s_history_refunds_nothing() -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(replies)
    async with Agent(backend, strategy="attempts", checkpointer=saver) as agent:
        first = await agent.asolve(EGGS, max_compute_budget=2_000, thread_id=THREAD)
        history = [
            s
            async for s in solve_graph()
            .compile(checkpointer=saver)
            .aget_state_history(thread(THREAD))
        ]
        early = next(s for s in reversed(history) if s.next == ("verify",))
        again = await agent.aresume(
            THREAD, checkpoint_id=str(early.config.get("configurable", {})["checkpoint_id"])
        )
    assert again.receipt.spent.compute >= first.receipt.spent.compute
    assert again.receipt.spent.compute <= 2_000
    assert again.receipt.spent.completion_tokens >= backend.generated_tokens


async def test_a_charge_at_an_earlier_place_keeps_the_time_that_was_used_since() -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(replies, delay=0.002)
    async with Agent(backend, strategy="attempts", checkpointer=saver) as agent:
        await agent.asolve(EGGS, max_compute_budget=2_000, thread_id=THREAD)
    graph = solve_graph().compile(checkpointer=saver)
    history = [s async for s in graph.aget_state_history(thread(THREAD))]
    early = next(s for s in reversed(history) if s.next == ("verify",))
    where = str(early.config.get("configurable", {})["checkpoint_id"])
    latest, before = await find(graph, THREAD), await find(graph, THREAD, where)
    used = latest.values["books"]["elapsed"]
    assert before.values["books"]["elapsed"] < used
    await charge(graph, before, latest)
    assert (await find(graph, THREAD)).values["books"]["elapsed"] == used


async def test_what_cannot_be_resumed_is_said() -> None:
    saver = InMemorySaver()
    backend = ScriptedBackend(replies)
    async with Agent(backend, checkpointer=saver) as agent:
        with pytest.raises(InvalidOption, match="there is no run 'eggs' to resume"):
            await agent.aresume(THREAD)
        await agent.asolve(EGGS, thread_id=THREAD)
        with pytest.raises(InvalidOption, match="there is a run 'eggs' already"):
            await agent.asolve(EGGS, thread_id=THREAD)
    async with Agent(backend, strategy="refine", checkpointer=saver) as other:
        with pytest.raises(InvalidOption, match="started with strategy 'adaptive'"):
            await other.aresume(THREAD)
    async with Agent(backend) as without:
        with pytest.raises(InvalidOption, match="needs a checkpointer"):
            await without.asolve(EGGS, thread_id=THREAD)


async def test_a_full_disk_ends_the_checkpoints_and_not_the_run(tmp_path: Path) -> None:
    backend = ScriptedBackend(replies)
    async with aiosqlite.connect(tmp_path / "runs.sqlite") as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        pages = await (await connection.execute("PRAGMA page_count")).fetchone()
        assert pages is not None
        await connection.execute(f"PRAGMA max_page_count = {pages[0] + 3}")
        async with Agent(backend, checkpointer=saver) as agent:
            solution = await agent.asolve(EGGS, max_compute_budget=BUDGET, thread_id=THREAD)
    assert solution.answer is not None
    assert len(solution.candidates) > 4
    assert solution.receipt.stopped_because in ("confident", "no_gain", "budget")
    check_bill(solution, backend)
    assert "database or disk is full" in solution.receipt.notes[-1]


async def test_a_checkpoint_of_64_samples_stays_small(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    long = Reply(text="word " * 236 + "So it is \\boxed{18}.", tokens=300)
    backend = ScriptedBackend(lambda request, index: long)
    async with (
        saver_at(str(store)) as saver,
        Agent(backend, strategy="self_consistency", checkpointer=saver) as agent,
    ):
        solution = await agent.asolve(EGGS, max_compute_budget=100_000, thread_id=THREAD)
    assert len(solution.candidates) == 64
    with closing(sqlite3.connect(store)) as connection:
        (largest,) = connection.execute(
            "SELECT max(length(checkpoint)) FROM checkpoints"
        ).fetchone()
    assert largest < CHECKPOINT_BYTES


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server of our own."""
    folder = tmp_path_factory.mktemp("postgres")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", str(folder))
        pgserver: Any = importlib.import_module("pgserver")
    server = pgserver.get_server(folder / "data")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def process(url: str, strategy: str, store: str, action: str) -> subprocess.Popen[str]:
    script = str(Path(__file__).with_name("resumable.py"))
    return subprocess.Popen(
        [sys.executable, script, url, strategy, str(BUDGET), store, action],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
    )


def killed_and_resumed(strategy: str, store: str, seed: int) -> None:
    """Kill a run twice at random moments, and look at the bill of what remains."""
    draw = random.Random(seed)
    source = ScriptedBackend(replies, delay=0.02)
    with served(source) as url:
        action = "start"
        for _ in range(2):
            asked = len(source.requests)
            running = process(url, strategy, store, action)
            until = time.monotonic() + 30
            while len(source.requests) == asked and running.poll() is None:
                assert time.monotonic() < until
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.8))
            running.send_signal(signal.SIGKILL)
            running.communicate()
            action = "resume"
        paid = asyncio.run(written_down(store, strategy))
        out, err = process(url, strategy, store, "resume").communicate(timeout=60)
    assert out, err
    told = json.loads(out)
    receipt = told["receipt"]
    assert receipt["spent"]["compute"] <= BUDGET
    assert sum(u["compute"] for u in receipt["by_purpose"].values()) == receipt["spent"]["compute"]
    assert receipt["spent"]["completion_tokens"] >= source.generated_tokens
    lost = receipt["by_purpose"].get(IN_FLIGHT, {"completion_tokens": 0})["completion_tokens"]
    assert receipt["spent"]["completion_tokens"] - lost <= source.generated_tokens
    assert told["answer"] is not None
    assert paid.items() <= {one["id"]: one["text"] for one in told["candidates"]}.items()


async def written_down(store: str, strategy: str) -> dict[str, str]:
    """The samples of the waves that were finished, as the store has them."""
    async with saver_at(store) as saver:
        graph = solve_graph(estimates=STRATEGIES[strategy].estimates).compile(checkpointer=saver)
        place = await find(graph, THREAD)
    return {one["id"]: one["text"] for one in place.values.get("candidates", [])}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("strategy", "seed"), [("adaptive", 1), ("adaptive", 2), ("beam", 3)])
def test_a_process_killed_at_any_moment_goes_on_from_sqlite(
    tmp_path: Path, strategy: str, seed: int
) -> None:
    killed_and_resumed(strategy, str(tmp_path / "runs.sqlite"), seed)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("strategy", "seed"), [("adaptive", 4), ("refine", 5)])
def test_a_process_killed_at_any_moment_goes_on_from_postgres(
    postgres: str, strategy: str, seed: int
) -> None:
    database = postgres.replace("@/postgres?", f"@/run_{seed}?")
    subprocess.run([sys.executable, "-c", CREATE, postgres, f"run_{seed}"], check=True, timeout=60)
    killed_and_resumed(strategy, database, seed)


CREATE = """
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute(f"CREATE DATABASE {sys.argv[2]}")
"""
