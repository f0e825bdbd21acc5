"""A made-up pool in which it is known what makes a sample right."""

from __future__ import annotations

import random

from its_agent.backends.pool_file import PoolRow, PoolSample

MODEL = "toy"


def made_up(problems: int = 40, *, samples: int = 12, seed: int = 1) -> list[PoolRow]:
    """Long questions are harder, right samples are likelier to the model, and wrong answers come
    back more often than chance has it."""
    chance = random.Random(seed)
    rows: list[PoolRow] = []
    for number in range(problems):
        words = chance.choice([15, 40, 90])
        success = {15: 0.8, 40: 0.45, 90: 0.15}[words]
        question = " ".join(["word"] * (words - 4)) + " how many in 12?"
        for temperature in (0.0, 0.8):
            drawn = [_sample(chance, success) for _ in range(samples if temperature else 1)]
            rows.append(
                PoolRow(
                    id=f"p{number}",
                    problem=question,
                    answer="7",
                    model=MODEL,
                    temperature=temperature,
                    prompt_tokens=words,
                    samples=tuple(drawn),
                )
            )
    return rows


def _sample(chance: random.Random, success: float) -> PoolSample:
    is_right = chance.random() < success
    answer = 7 if is_right else chance.choice([3, 3, 3, 11, 12, chance.randint(20, 90)])
    logprob = round(chance.gauss(-0.15 if is_right else -0.3, 0.08), 4)
    tokens = chance.randint(20, 60)
    return PoolSample(
        text=f"so it is \\boxed{{{answer}}}",
        finish="stop",
        tokens=tokens,
        logprobs=(min(-0.001, logprob),) * tokens,
    )
