"""Whether the framework keeps up with a server that streams to many requests at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from its_agent.agent import Agent
from its_agent.backends.vllm import VLLMBackend
from its_agent.bench.workload import QUESTION, instant_server
from its_agent.budget import Budget

STREAM_BUDGET = Budget(compute=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How the framework keeps up with a server that streams steadily."""

    requests: int
    tokens_a_second_sent: float
    tokens_a_second_kept: float
    processor_share: float
    """Processor seconds of this process by wall-clock seconds."""
    ratio: float


async def measure_streaming(
    *, requests: int = 256, tokens_a_second: float = 20_000, seconds: float = 30
) -> Streaming:
    """Solve on a server that streams one token an event, steadily, to all requests at once."""
    rate = tokens_a_second / requests
    tokens = int(rate * seconds)
    with instant_server(tokens=tokens, rate=rate) as address:
        backend = VLLMBackend(address, max_concurrency=requests)
        async with Agent(backend, strategy="single_pass", max_tokens=4096) as agent:
            await backend.offer()
            solved = partial(agent.asolve, max_compute_budget=STREAM_BUDGET)
            began, busy = time.monotonic(), time.process_time()
            solutions = await asyncio.gather(
                *(solved(f"{QUESTION} ({number})") for number in range(requests))
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
