"""What the framework itself costs, as ratios against the bare parts it stands on, in one run."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import httpx
from langgraph.graph import END, START, StateGraph

from its_agent.agent import Agent
from its_agent.answers import infer_answer_type
from its_agent.backends.chat import chat_body
from its_agent.backends.connection import encoded
from its_agent.backends.protocol import Request
from its_agent.backends.vllm import VLLMBackend
from its_agent.budget import Budget
from its_agent.prompts import ask
from its_agent.solution import Solution

SAMPLES = 4
SUPERSTEPS = ("route", "attempts", "verify", "route_again")
"""Those of a self-consistency solve that one wave settles."""
MAX_TOKENS = 64
BUDGET = Budget(compute=60 + SAMPLES * MAX_TOKENS, requests=1)
"""Pays for one request of four samples on the instant server."""
STREAM_BUDGET = Budget(compute=10_000)
QUESTION = "How many eggs are there in 3 boxes of 6?"

Round = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Milliseconds per solve, medians over alternated rounds, and solves a second."""

    rounds: int
    solves_a_round: int
    own_ms: float
    own_repeated_prompt_ms: float
    bare_ms: float
    ratio: float
    """Own time, prompts never seen before, by a bare graph of as many supersteps and the bare
    request."""
    ratio_repeated_prompt: float
    """The same where the prompt has been counted before."""
    solves_a_second_200: float
    solves_a_second_1000: float
    memory_mib_before: float
    memory_mib_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How the framework keeps up with a server that streams steadily."""

    requests: int
    tokens_a_second_sent: float
    tokens_a_second_kept: float
    processor_share: float
    """Processor seconds of this process by wall-clock seconds."""
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Completed tokens a second on a real engine: `Agent.batch` by the same requests sent raw."""

    engine: str
    pairs: tuple[tuple[float, float], ...]
    """Tokens a second of the batch and of the raw requests, alternated."""
    ratio: float
    """The median of the pairs' ratios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """its_hub on the same servers: the same method by its own client, four requests a solve."""

    version: str
    instant_ms: float
    instant_solves_a_second_200: float
    engine_tokens_a_second: float | None
    """On the real engine, as many problems at once as the batch had; None without one."""


@contextmanager
def instant_server(*, tokens: int = 40, rate: float | None = None) -> Generator[str]:
    """Start the instant server in a process of its own."""
    command = [sys.executable, "-m", "its_agent.bench.instant_server", "--tokens", str(tokens)]
    command += [] if rate is None else ["--rate", str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.stdout.close()
        process.wait()


async def measure_overhead(*, rounds: int = 7, solves: int = 100) -> Overhead:
    """Measure own time against the bare parts, then solves a second."""
    fresh = itertools.count()
    with instant_server() as address:
        async with _agent(address) as agent, _bare(address) as bare:

            async def own(_: int) -> None:
                await _solved(agent, f"{QUESTION} ({next(fresh)})")

            async def repeated(_: int) -> None:
                await _solved(agent, QUESTION)

            kinds: dict[str, Round] = {"own": own, "repeated": repeated, "bare": bare}
            seconds: dict[str, list[float]] = {name: [] for name in kinds}
            for _ in range(rounds + 1):
                for name, once in kinds.items():
                    seconds[name].append(await _timed(once, solves))
            # The first round warms up caches and connections.
            own_ms, repeated_ms, bare_ms = (
                1000 * statistics.median(seconds[name][1:]) / solves
                for name in ("own", "repeated", "bare")
            )
            before = _memory_mib()
            at_200 = await _rate(own, 200, 1_000)
            at_1000 = await _rate(own, 1_000, 2_000)
        after = _memory_mib()
    return Overhead(
        rounds=rounds,
        solves_a_round=solves,
        own_ms=own_ms,
        own_repeated_prompt_ms=repeated_ms,
        bare_ms=bare_ms,
        ratio=own_ms / bare_ms,
        ratio_repeated_prompt=repeated_ms / bare_ms,
        solves_a_second_200=at_200,
        solves_a_second_1000=at_1000,
        memory_mib_before=before,
        memory_mib_after=after,
    )


async def measure_streaming(
    *, requests: int = 256, tokens_a_second: float = 20_000, seconds: float = 10
) -> Streaming:
    """Solve on a server that streams one token an event, steadily, to all requests at once."""
    rate = tokens_a_second / requests
    tokens = int(rate * seconds)
    with instant_server(tokens=tokens, rate=rate) as address:
        async with Agent(
            VLLMBackend(address, max_concurrency=requests), strategy="single_pass", max_tokens=4096
        ) as agent:
            await _solved(agent, QUESTION, budget=STREAM_BUDGET)
            began, busy = time.monotonic(), time.process_time()
            questions = [f"{QUESTION} ({number})" for number in range(requests)]
            solutions = await asyncio.gather(
                *(_solved(agent, question, budget=STREAM_BUDGET) for question in questions)
            )
            elapsed, used = time.monotonic() - began, time.process_time() - busy
    generated = sum(s.receipt.spent.completion_tokens for s in solutions)
    return Streaming(
        requests=requests,
        tokens_a_second_sent=rate * requests,
        tokens_a_second_kept=generated / elapsed,
        processor_share=used / elapsed,
        ratio=generated / elapsed / (rate * requests),
    )


async def measure_throughput(
    base_url: str, model: str | None = None, *, pairs: int = 5, problems: int = 8, tokens: int = 32
) -> Throughput:
    """Send the same requests through `Agent.abatch` and raw, in turns; every sample is as long as
    it may be."""
    always = {"ignore_eos": True}
    questions = [f"{QUESTION} ({number})" for number in range(problems)]
    backend = VLLMBackend(base_url, model, sampling=always)
    agent = Agent(backend, strategy="self_consistency", max_tokens=tokens, top_p=1.0)
    async with agent, httpx.AsyncClient(timeout=None, trust_env=False) as client:
        engine = (await backend.offer()).fingerprint
        bodies = [_body(engine.model, question, tokens, always) for question in questions]
        prompt = await backend.count_prompt(_wave(questions[0], tokens))
        limits = Budget(compute=prompt + SAMPLES * tokens, requests=1)

        async def through_agent() -> float:
            began = time.monotonic()
            ended = await agent.abatch(questions, max_compute_budget=limits, concurrency=problems)
            made = sum(s.receipt.spent.completion_tokens for s in ended if isinstance(s, Solution))
            return made / (time.monotonic() - began)

        async def raw() -> float:
            began = time.monotonic()
            await asyncio.gather(*(_read(client, base_url, body) for body in bodies))
            return SAMPLES * tokens * problems / (time.monotonic() - began)

        await raw()
        measured: list[tuple[float, float]] = []
        for number in range(pairs):
            if number % 2 == 0:
                own = await through_agent()
                bare = await raw()
            else:
                bare = await raw()
                own = await through_agent()
            measured.append((own, bare))
    return Throughput(
        engine=f"{engine.model}, {engine.engine}",
        pairs=tuple(measured),
        ratio=statistics.median(own / bare for own, bare in measured),
    )


async def measure_its_hub(
    python: str,
    engine: tuple[str, str] | None,
    *,
    solves: int = 300,
    problems: int = 8,
    tokens: int = 32,
) -> Peer:
    """Let the interpreter `python`, which has its_hub, do the same; `engine` is a real one's base
    URL and model."""
    command = "from importlib.metadata import version; print(version('its-hub'))"
    version = subprocess.run(
        [python, "-c", command], check=True, capture_output=True, text=True
    ).stdout.strip()
    with instant_server() as address:
        one = await _its_hub(python, address, "instant", MAX_TOKENS, solves, 1)
        many = await _its_hub(python, address, "instant", MAX_TOKENS, 2_000, 200)
    rate = None
    if engine is not None:
        real = await _its_hub(python, *engine, tokens, 3 * problems, problems)
        rate = real["completion_tokens"] / real["seconds"]
    return Peer(
        version=version,
        instant_ms=1000 * one["seconds"] / one["solves"],
        instant_solves_a_second_200=many["solves"] / many["seconds"],
        engine_tokens_a_second=rate,
    )


async def _its_hub(
    python: str, url: str, model: str, tokens: int, solves: int, concurrent: int
) -> dict[str, float]:
    script = str(Path(__file__).with_name("its_hub_client.py"))
    questions = [f"{QUESTION} ({number})" for number in range(12)]
    numbers = map(str, (tokens, solves, concurrent))
    process = await asyncio.create_subprocess_exec(
        python, script, url, model, *numbers, *questions, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    told: dict[str, float] = json.loads(out)
    return told


@asynccontextmanager
async def _agent(address: str) -> AsyncGenerator[Agent]:
    async with Agent(address, strategy="self_consistency", max_tokens=MAX_TOKENS) as agent:
        yield agent


class _Bare(TypedDict):
    answer: str


@asynccontextmanager
async def _bare(address: str) -> AsyncGenerator[Round]:
    """A graph of as many supersteps that do nothing, but for one that makes the request."""
    async with aclosing(VLLMBackend(address)) as backend:
        model = (await backend.offer()).fingerprint.model
    body = _body(model, QUESTION, MAX_TOKENS, {})

    async def nothing(state: _Bare) -> dict[str, Any]:
        return {"answer": state["answer"]}

    async with httpx.AsyncClient(trust_env=False) as client:

        async def request(state: _Bare) -> dict[str, Any]:
            await _read(client, address, body)
            return {"answer": "18"}

        graph = StateGraph(_Bare)
        for name in SUPERSTEPS:
            graph.add_node(name, request if name == "attempts" else nothing)
        for before, after in itertools.pairwise((START, *SUPERSTEPS, END)):
            graph.add_edge(before, after)
        compiled = graph.compile()

        async def once(_: int) -> None:
            await compiled.ainvoke({"answer": ""})

        yield once


def _body(model: str, question: str, tokens: int, sampling: dict[str, Any]) -> bytes:
    """What the agent sends for a wave of this question."""
    asked = _wave(question, tokens)
    return encoded({"model": model, **chat_body(asked, sampling=sampling, template={})})


def _wave(question: str, tokens: int) -> Request:
    kind = infer_answer_type(question)
    return Request(
        messages=ask("step_by_step", [{"role": "user", "content": question}], kind),
        n=SAMPLES,
        max_tokens=tokens,
        top_p=1.0,
    )


async def _read(client: httpx.AsyncClient, address: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{address.rstrip('/').removesuffix('/v1')}/v1/chat/completions"
    async with client.stream("POST", url, content=body, headers=headers) as response:
        response.raise_for_status()
        async for _ in response.aiter_bytes():
            pass


async def _solved(agent: Agent, question: str, budget: Budget = BUDGET) -> Solution:
    return await agent.asolve(question, max_compute_budget=budget)


async def _timed(once: Round, times: int) -> float:
    """Seconds for this many, one after the other."""
    began = time.perf_counter()
    for number in range(times):
        await once(number)
    return time.perf_counter() - began


async def _rate(once: Round, concurrent: int, times: int) -> float:
    """How many a second, this many at once."""
    numbers = iter(range(times))

    async def worker() -> None:
        for number in numbers:
            await once(number)

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
