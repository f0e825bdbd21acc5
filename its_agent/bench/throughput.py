"""What the framework leaves of a real engine's speed."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import httpx

from its_agent.agent import Agent
from its_agent.backends.vllm import VLLMBackend
from its_agent.bench.workload import QUESTION, SAMPLES, body_of, read_raw, wave
from its_agent.budget import Budget
from its_agent.solution import Solution


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Completed tokens a second on a real engine: `Agent.batch` by the same requests sent raw."""

    engine: str
    pairs: tuple[tuple[float, float], ...]
    """Tokens a second of the batch and of the raw requests, alternated."""
    ratio: float
    """The median of the pairs' ratios."""


async def measure_throughput(
    base_url: str, model: str | None = None, *, pairs: int = 5, problems: int = 8, tokens: int = 64
) -> Throughput:
    """Send the same requests through `Agent.abatch` and raw, in turns; every sample is as long as
    it may be."""
    always = {"ignore_eos": True}
    questions = [f"{QUESTION} ({number})" for number in range(problems)]
    backend = VLLMBackend(base_url, model, sampling=always)
    agent = Agent(backend, strategy="self_consistency", max_tokens=tokens, top_p=1.0)
    async with agent, httpx.AsyncClient(timeout=None, trust_env=False) as client:
        engine = (await backend.offer()).fingerprint
        bodies = [body_of(engine.model, question, tokens, always) for question in questions]
        prompt = await backend.count_prompt(wave(questions[0], tokens))
        limits = Budget(compute=prompt + SAMPLES * tokens, requests=1)

        async def through_agent() -> float:
            began = time.monotonic()
            ended = await agent.abatch(questions, max_compute_budget=limits, concurrency=problems)
            made = sum(s.receipt.spent.completion_tokens for s in ended if isinstance(s, Solution))
            return made / (time.monotonic() - began)

        async def raw() -> float:
            began = time.monotonic()
            await asyncio.gather(*(read_raw(client, base_url, body) for body in bodies))
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
