"""Runs of a benchmark, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.bench.runs import Run, Sample
from its_agent.budget import Usage
from its_agent.receipt import Fingerprint

ENGINE = Fingerprint(model="tiny", backend="scripted", engine="vllm 0.32.0", dtype="bfloat16")
COMMAND = "its-agent bench problems.jsonl --out runs.jsonl"


def a_run(
    name: str,
    strategy: str,
    budget: int,
    *,
    correct: bool,
    compute: int = 100,
    order: int = 0,
    confidence: float = 0.5,
    samples: Sequence[Sample] = (),
) -> Run:
    """A run of the problem whose answer is 4."""
    return Run(
        id=name,
        strategy=strategy,
        budget=budget,
        order=order,
        gold="4",
        answer="4" if correct else "5",
        correct=correct,
        confidence=confidence,
        status="agreed",
        spent=Usage(prompt_tokens=60, completion_tokens=compute, requests=1, compute=compute),
        by_purpose={},
        stopped_because="complete",
        seconds=1.0,
        steps=(),
        candidates=tuple(samples),
        engine=ENGINE,
        command=COMMAND,
    )


def a_sample(answer: str | None, *, finish: str = "stop", path: str = "attempts") -> Sample:
    """A sample that is right where it says 4."""
    return Sample(
        answer=answer, logprob=None, tokens=9, path=path, strategy="step_by_step", finish=finish
    )


def outcomes(
    strategy: str, right: str, *, budget: int = 500, compute: int = 100, order: int = 0
) -> list[Run]:
    """A run a mark on p0, p1, …: "+" is right."""
    return [
        a_run(f"p{place}", strategy, budget, correct=mark == "+", compute=compute, order=order)
        for place, mark in enumerate(right)
    ]
