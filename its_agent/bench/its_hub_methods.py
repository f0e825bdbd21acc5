"""its_hub's methods, a problem at a time, run by an interpreter in which its_hub is installed.

    python3 -m venv HUB && HUB/bin/pip install "its-hub[lm]==1.2.0"
    HUB/bin/python its_hub_methods.py URL MODEL MAX_TOKENS TEMPERATURE

Prints its version, and then an answer to every line of standard input, all JSON:

    {"method": "self_consistency", "calls": 4, "question": "…", "answer_type": "math"}
    {"text": "…", "claimed": {"requests": 4, "prompt_tokens": 380, "completion_tokens": 700}}

Votes are on the answer, by its_hub's own projection; without one they would be on whole texts. The
judge of best-of-N is the same model with the same settings, as in its README. A method that fails
ends the process, so that nothing it leaves behind meets the next problem. Imports nothing of
its_agent.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

ANSWERS = {"choice": r"Answer:\s*\(?([A-Z])", "text": None}
BOXED = r"\\boxed\{([^}]+)\}"


def methods(lm: Any, answer_type: str) -> dict[str, Callable[[], Any]]:
    """The methods by their names."""
    hub: Any = import_module("its_hub")
    votes: Any = import_module("its_hub.core.algorithms.self_consistency")
    pattern = ANSWERS.get(answer_type, BOXED)
    voting = {
        "consistency_space_projection_func": pattern
        and votes.create_regex_projection_function(pattern)
    }
    return {
        "self_consistency": lambda: hub.SelfConsistency(**voting),
        "adaptive_self_consistency": lambda: hub.AdaptiveSelfConsistency(**voting),
        "beta_self_consistency": lambda: hub.BetaSelfConsistency(**voting),
        "best_of_n": lambda: hub.BestOfN(hub.LLMJudge(lm=lm)),
    }


async def answer(lm: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Let a method answer a question; the judge's tokens are not in what its_hub claims."""
    method = methods(lm, asked["answer_type"])[asked["method"]]()
    result = await method.ainfer(lm, asked["question"], asked["calls"], return_response_only=False)
    claimed = {
        "requests": result.usage.num_calls,
        "prompt_tokens": result.usage.prompt_tokens,
        "completion_tokens": result.usage.completion_tokens,
    }
    return {"text": result.the_one.get("content") or "", "claimed": claimed}


async def serve(url: str, model: str, max_tokens: int, temperature: float) -> None:
    """Answer until the input ends."""
    # What a library prints must not stand between the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    client: Any = import_module("its_hub").OpenAICompatibleLanguageModel
    print(json.dumps({"version": version("its-hub")}), file=out, flush=True)
    async with client(
        f"{url}/v1", "none", model, max_tokens=max_tokens, temperature=temperature
    ) as lm:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await answer(lm, json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
