"""its_hub doing the same work, run by an interpreter in which its_hub is installed.

    python its_hub_client.py URL MODEL MAX_TOKENS SOLVES CONCURRENT QUESTION…

Each solve is self-consistency over four samples through its own client. Prints one JSON object:
seconds, solves and completion tokens. Imports nothing of its_agent.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib import import_module
from typing import Any

SAMPLES = 4


async def measure(
    url: str, model: str, tokens: int, solves: int, concurrent: int, questions: list[str]
) -> dict[str, float]:
    """Make this many solves, this many at once, after one to warm up."""
    client: Any = import_module("its_hub.core.lms.openai_lm").OpenAICompatibleLanguageModel
    orchestrator: Any = import_module("its_hub.core.orchestrator").LMOrchestrator
    algorithms: Any = import_module("its_hub.core.algorithms.self_consistency")
    lm = client(f"{url}/v1", "none", model, max_tokens=tokens, temperature=0.8)
    method = algorithms.SelfConsistency(orchestrator=orchestrator(max_concurrency=-1))
    await method.ainfer(lm, questions[0], SAMPLES)
    numbers = iter(range(solves))
    made = 0

    async def worker() -> None:
        nonlocal made
        for number in numbers:
            question = questions[number % len(questions)]
            result = await method.ainfer(lm, question, SAMPLES, return_response_only=False)
            made += result.usage.completion_tokens

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrent)))
    seconds = time.perf_counter() - began
    await lm.close()
    return {"seconds": seconds, "solves": solves, "completion_tokens": made}


if __name__ == "__main__":
    url, model, tokens, solves, concurrent, *questions = sys.argv[1:]
    print(
        json.dumps(
            asyncio.run(measure(url, model, int(tokens), int(solves), int(concurrent), questions))
        )
    )
