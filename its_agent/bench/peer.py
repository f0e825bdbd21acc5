"""its_hub doing the same work on the same servers, in an interpreter of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from its_agent.bench.workload import MAX_TOKENS, QUESTION, instant_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """its_hub on the same servers: the same method by its own client, four requests a solve."""

    version: str
    instant_ms: float
    instant_solves_a_second_200: float
    engine_tokens_a_second: float | None
    """On the real engine, as many problems at once as the batch had; None without one."""


async def measure_its_hub(
    python: str,
    engine: tuple[str, str] | None,
    *,
    solves: int = 300,
    problems: int = 8,
    tokens: int = 64,
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
