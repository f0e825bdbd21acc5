"""A solve believes a sample by what it says, as its profile has it."""

from __future__ import annotations

import math

import pytest

from its_agent import Agent
from its_agent.backends.protocol import Request
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.difficulty.profile import Evidence, Prior, Profile

EVEN = Profile(
    model="default",
    prior=Prior(intercept=0.0, slope=0.0),
    strength=4.0,
    spread=6.0,
    trust=1.0,
    silence=0.0,
    evidence=Evidence(
        names=("wrong_calculation", "unused_numbers"),
        mean=(0.0, 0.0),
        scale=(1.0, 1.0),
        weights=(-2.0, -1.0),
        offset=0.0,
        right=(0.0, 1.0),
        wrong=(0.0, 1.0),
    ),
)
"""One sample is as likely right as wrong, but for what it says."""


@pytest.mark.parametrize(
    ("said", "odds"),
    [("3 * 6 = 18", 1.0), ("3 * 6 = 17", math.exp(-2)), ("That is", math.exp(-2))],
)
async def test_the_confidence_goes_by_what_the_sample_says(said: str, odds: float) -> None:
    """The last one mentions neither number of the question."""

    def reply(request: Request, index: int) -> Reply:
        return Reply(text=rf"{said}, so \boxed{{9}}.", tokens=100)

    async with Agent(ScriptedBackend(reply), profile=EVEN, estimate=(), max_tokens=150) as agent:
        solution = await agent.asolve("How many eggs are 3 boxes of 6?", max_compute_budget=180)
    assert len(solution.candidates) == 1
    assert solution.confidence == pytest.approx(odds / (1 + odds), rel=1e-3)
