"""its_hub doing the same work on the same servers, in an interpreter of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from its_agent.agent import Agent
from its_agent.backends.vllm import VLLMBackend
from its_agent.bench.workload import MAX_TOKENS, QUESTION, SAMPLES, instant_server, wave
from its_agent.budget import Budget
from its_agent.solution import Solution


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """its_hub on the same servers: the same method by its own client, four requests a solve."""

    version: str
    instant_ms: float
    instant_solves_a_second_200: float
    engine_pairs: tuple[tuple[float, float], ...] = ()
    """Tokens a second of `Agent.abatch` and of its_hub on a real engine, alternated: the same
    problems, as many at once, every sample as long as the model makes it."""


async def measure_its_hub(
    python: str,
    engine: tuple[str, str] | None,
    *,
    solves: int = 300,
    problems: int = 24,
    at_once: int = 8,
    tokens: int = 64,
    pairs: int = 3,
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
    measured: list[tuple[float, float]] = []
    for number in range(pairs if engine is not None else 0):
        assert engine is not None
        own = partial(_batch, *engine, tokens, problems, at_once)
        other = partial(_its_hub_rate, python, *engine, tokens, problems, at_once)
        first, second = (own, other) if number % 2 == 0 else (other, own)
        one_rate, another = await first(), await second()
        measured.append((one_rate, another) if first is own else (another, one_rate))
    return Peer(
        version=version,
        instant_ms=1000 * one["seconds"] / one["solves"],
        instant_solves_a_second_200=many["solves"] / many["seconds"],
        engine_pairs=tuple(measured),
    )


async def _batch(url: str, model: str, tokens: int, problems: int, at_once: int) -> float:
    """Tokens a second of the same method through `Agent.abatch`."""
    questions = [f"{QUESTION} ({number})" for number in range(problems)]
    backend = VLLMBackend(url, model)
    async with Agent(backend, strategy="self_consistency", max_tokens=tokens, top_p=1.0) as agent:
        prompt = await backend.count_prompt(wave(questions[-1], tokens))
        limits = Budget(compute=prompt + SAMPLES * tokens, requests=1)
        began = time.monotonic()
        ended = await agent.abatch(questions, max_compute_budget=limits, concurrency=at_once)
        seconds = time.monotonic() - began
    made = sum(s.receipt.spent.completion_tokens for s in ended if isinstance(s, Solution))
    return made / seconds


async def _its_hub_rate(
    python: str, url: str, model: str, tokens: int, problems: int, at_once: int
) -> float:
    told = await _its_hub(python, url, model, tokens, problems, at_once)
    return told["completion_tokens"] / told["seconds"]


async def _its_hub(
    python: str, url: str, model: str, tokens: int, solves: int, concurrent: int
) -> dict[str, float]:
    script = str(Path(__file__).with_name("its_hub_client.py"))
    # In the words that the solves send, so that the samples are as long.
    asked = (wave(f"{QUESTION} ({number})", tokens).messages[0] for number in range(24))
    questions = [str(message["content"]) for message in asked]
    numbers = map(str, (tokens, solves, concurrent))
    process = await asyncio.create_subprocess_exec(
        python, script, url, model, *numbers, *questions, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    told: dict[str, float] = json.loads(out)
    return told
