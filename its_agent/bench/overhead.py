"""What a solve costs by itself, against a bare graph that makes the bare request."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import aiohttp
import httpx
from langgraph.graph import END, START, StateGraph

from its_agent.bench.decision import decision_ms
from its_agent.bench.instant_server import MODEL
from its_agent.bench.workload import (
    BUDGET,
    JSON,
    MAX_TOKENS,
    QUESTION,
    TIGHT,
    body_of,
    chat_url,
    four_samples,
    instant_server,
    read_raw,
)

SUPERSTEPS = ("route", "attempts", "verify", "route_again")
"""Those of a self-consistency solve that one wave settles."""

Once = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Milliseconds a solve, medians over alternated rounds, and solves a second."""

    rounds: int
    solves_a_round: int
    counted_prompt_ms: float
    """A prompt never seen before, which the server is asked to count first, as the budget is so
    tight that its length decides what is bought."""
    new_prompt_ms: float
    """A prompt never seen before with room for as many samples whatever its length: its count is
    told by the answer's usage."""
    known_prompt_ms: float
    bare_httpx_ms: float
    """A graph of as many supersteps that does nothing but make the request, through httpx."""
    bare_aiohttp_ms: float
    """The same through aiohttp, as the solves do."""
    at_once: tuple[int, int]
    solves_a_second: tuple[float, float]
    """At so many at once, each prompt new."""
    bare_a_second: float
    """Bare graphs with their requests through httpx, at the smaller number at once."""
    decision_ms: float
    """A look ahead of the adaptive policy."""
    memory_mib: tuple[float, float, float]
    """Resident memory before the larger crowd, after it, and after one more of that size."""


async def measure_overhead(
    *, rounds: int = 7, solves: int = 100, at_once: tuple[int, int] = (200, 1_000)
) -> Overhead:
    """Measure own time against the bare parts, then solves a second."""
    fresh = itertools.count()
    async with AsyncExitStack() as stack:
        address = stack.enter_context(instant_server())
        agent = await stack.enter_async_context(four_samples(address))

        async def counted_prompt() -> None:
            await agent.asolve(f"{QUESTION} ({next(fresh)})", max_compute_budget=TIGHT)

        async def new_prompt() -> None:
            await agent.asolve(f"{QUESTION} ({next(fresh)})", max_compute_budget=BUDGET)

        async def known_prompt() -> None:
            await agent.asolve(QUESTION, max_compute_budget=BUDGET)

        kinds: dict[str, Once] = {
            "counted_prompt": counted_prompt,
            "new_prompt": new_prompt,
            "known_prompt": known_prompt,
            "bare_httpx": await stack.enter_async_context(_bare_httpx(address)),
            "bare_aiohttp": await stack.enter_async_context(_bare_aiohttp(address)),
        }
        # The first round warms up caches and connections.
        _, *measured = [await _in_turns(kinds, solves) for _ in range(rounds + 1)]
        ms = {
            f"{name}_ms": 1000 * statistics.median(taken[name] for taken in measured) / solves
            for name in kinds
        }
        few, many = at_once
        bare_with_few = await _rate(kinds["bare_httpx"], few, 2 * many)
        with_few = await _rate(new_prompt, few, 2 * many)
        before = _memory_mib()
        with_many = await _rate(new_prompt, many, 2 * many)
        between = _memory_mib()
        await _rate(new_prompt, many, 2 * many)
        after = _memory_mib()
    return Overhead(
        rounds=rounds,
        solves_a_round=solves,
        at_once=at_once,
        solves_a_second=(with_few, with_many),
        bare_a_second=bare_with_few,
        decision_ms=decision_ms(),
        memory_mib=(before, between, after),
        **ms,
    )


class _Bare(TypedDict):
    answer: str


def _graph(request: Once) -> Once:
    async def nothing(state: _Bare) -> dict[str, Any]:
        return {"answer": state["answer"]}

    async def ask(state: _Bare) -> dict[str, Any]:
        await request()
        return {"answer": "18"}

    graph = StateGraph(_Bare)
    for name in SUPERSTEPS:
        graph.add_node(name, ask if name == "attempts" else nothing)
    for before, after in itertools.pairwise((START, *SUPERSTEPS, END)):
        graph.add_edge(before, after)
    compiled = graph.compile()
    return lambda: compiled.ainvoke({"answer": ""})


@asynccontextmanager
async def _bare_httpx(address: str) -> AsyncGenerator[Once]:
    body = body_of(MODEL, QUESTION, MAX_TOKENS, {})
    async with httpx.AsyncClient(trust_env=False) as client:
        yield _graph(lambda: read_raw(client, address, body))


@asynccontextmanager
async def _bare_aiohttp(address: str) -> AsyncGenerator[Once]:
    body = body_of(MODEL, QUESTION, MAX_TOKENS, {})
    async with aiohttp.ClientSession(headers=JSON) as session:

        async def request() -> None:
            async with session.post(chat_url(address), data=body) as response:
                response.raise_for_status()
                async for _ in response.content.iter_any():
                    pass

        yield _graph(request)


async def _in_turns(kinds: Mapping[str, Once], times: int) -> dict[str, float]:
    """Seconds for this many of each, one after the other: a processor's speed may change within a
    second."""
    seconds = dict.fromkeys(kinds, 0.0)
    for _ in range(times):
        for name, once in kinds.items():
            began = time.perf_counter()
            await once()
            seconds[name] += time.perf_counter() - began
    return seconds


async def _rate(once: Once, concurrent: int, times: int) -> float:
    """How many a second, this many at once."""
    numbers = iter(range(times))

    async def worker() -> None:
        for _ in numbers:
            await once()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrent):
            group.create_task(worker())
    return times / (time.perf_counter() - began)


def _memory_mib() -> float:
    """Resident memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
