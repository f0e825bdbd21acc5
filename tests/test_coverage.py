"""Best-of-N with an exact verifier is right as often as one of N tries is: 1 − (1 − p)^N."""

from __future__ import annotations

from random import Random

import pytest

from its_agent import Agent, Budget
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.verifiers import AnswerCheck

EGGS = "How many eggs are there in 3 boxes of 6?"
SAMPLE_TOKENS = 20
ROUNDS = 400


@pytest.mark.timeout(120)
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32, 64])
async def test_coverage_follows_the_number_of_tries(p: float, n: int) -> None:
    random = Random(f"{p} {n}")

    def reply(request: Request, index: int) -> Reply:
        answer = "18" if random.random() < p else str(random.randrange(100, 999))
        return Reply(text=f"\\boxed{{{answer}}}", tokens=SAMPLE_TOKENS)

    backend = ScriptedBackend(reply, chunk_tokens=SAMPLE_TOKENS)
    verifier = AnswerCheck(lambda answer: answer == "18")
    right = 0
    async with Agent(
        backend, strategy="best_of_n", max_tokens=SAMPLE_TOKENS, verifiers=[verifier]
    ) as agent:
        prompt = (await agent.asolve(EGGS, max_compute_budget=1_000)).receipt
        read = prompt.by_purpose["generate"].prompt_tokens // prompt.spent.requests
        limits = Budget(compute=read + n * SAMPLE_TOKENS, requests=1)
        for _ in range(ROUNDS):
            solution = await agent.asolve(EGGS, max_compute_budget=limits)
            assert len(solution.candidates) <= n
            right += solution.status == "verified"
    expected = 1 - (1 - p) ** n
    tolerance = 4 * (expected * (1 - expected) / ROUNDS) ** 0.5 + 1e-9
    assert right / ROUNDS == pytest.approx(expected, abs=tolerance)
