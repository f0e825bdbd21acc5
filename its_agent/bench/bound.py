"""What any selection could reach at most: pass@k over many samples of each problem."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from math import comb

from its_agent.answers import extract_answer
from its_agent.backends.protocol import Request
from its_agent.backends.recording import RecordingBackend
from its_agent.bench.collected import texts_of
from its_agent.bench.first_request import answer_type, first_request
from its_agent.bench.grading import Grader
from its_agent.bench.problems import BenchProblem
from its_agent.bench.runs import Run
from its_agent.bench.table import cells
from its_agent.together import together


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the warm samples of one problem, and the greedy one, came to."""

    id: str
    samples: int
    right: int
    greedy_right: bool
    prompt_tokens: int
    tokens: int
    """Generated tokens of all warm samples."""

    def passes(self, k: int) -> float:
        """The chance that k of the samples hold a right one."""
        return pass_at(k, samples=self.samples, right=self.right)

    @property
    def compute(self) -> int:
        """Compute units of the warm samples, their prompt read once."""
        return self.prompt_tokens + self.tokens


def pass_at(k: int, *, samples: int, right: int) -> float:
    """The chance that k of n samples hold one of the c right ones, 1 − C(n−c, k) / C(n, k) (pass@k,
    arXiv 2107.03374)."""
    return 1 - comb(samples - right, k) / comb(samples, k)


async def measure_coverage(
    problems: Sequence[BenchProblem],
    backend: RecordingBackend,
    *,
    samples: int,
    concurrency: int,
    on_problem: Callable[[Coverage], None],
    max_tokens: int = 512,
    temperature: float = 0.8,
    top_p: float = 0.95,
) -> list[Coverage]:
    """Take a greedy and `samples` warm samples of every problem, and grade them; what the record
    holds is not bought again. Raises BackendError."""
    grader, places = Grader(), asyncio.Semaphore(concurrency)
    base = Request(
        messages=(), n=samples, max_tokens=max_tokens, temperature=temperature, top_p=top_p
    )

    async def one(problem: BenchProblem) -> Coverage:
        async with places:
            with backend.replay():
                covered = await _covered(problem, backend, grader, base)
        on_problem(covered)
        return covered

    async with together() as group:
        tasks = [group.create_task(one(problem)) for problem in problems]
    return [task.result() for task in tasks]


async def _covered(
    problem: BenchProblem, backend: RecordingBackend, grader: Grader, base: Request
) -> Coverage:
    warm, kind = first_request(problem, base), answer_type(problem)
    cold = replace(warm, n=1, temperature=0.0, top_p=1.0)
    (greedy, _), (texts, told) = [await texts_of(backend, request) for request in (cold, warm)]
    rights = [
        await grader.is_right(problem, text and extract_answer(text, kind))
        for text in (*greedy, *texts)
    ]
    return Coverage(
        id=problem.id,
        samples=base.n,
        greedy_right=rights[0],
        right=sum(rights[1:]),
        prompt_tokens=told.prompt,
        tokens=told.completion,
    )


def coverage_section(
    seen: Sequence[Coverage], name: str, command: str, runs: Sequence[Run] = ()
) -> str:
    """The section as Markdown; with `runs` on the same problems, how near each strategy comes to
    the bound, and for what part of the price."""
    samples = min(one.samples for one in seen)
    sizes = [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= samples]
    mean = {k: sum(one.passes(k) for one in seen) / len(seen) for k in sizes}
    greedy = sum(one.greedy_right for one in seen)
    compute = sum(one.compute for one in seen) / len(seen)
    head = " | ".join(f"pass@{k}" for k in sizes)
    values = " | ".join(f"{mean[k]:.3f}" for k in sizes)
    return (
        f"## What selection could reach: {name}\n\n"
        f"{samples} warm samples and a greedy one of each of {len(seen)} problems, made by\n\n"
        f"```\n{command}\n```\n\n"
        f"| greedy | {head} |\n|{'---:|' * (len(sizes) + 1)}\n"
        f"| {greedy / len(seen):.3f} | {values} |\n\n"
        f"All {samples} samples of a problem cost {compute:,.0f} compute units on average.\n"
        + _beside(runs, {one.id for one in seen}, bound=mean[sizes[-1]], compute=compute)
    )


def _beside(runs: Sequence[Run], ids: Collection[str], *, bound: float, compute: float) -> str:
    table = cells(run for run in runs if run.id in ids)
    if not table or not bound:
        return ""
    rows = "".join(
        f"| {cell.budget:,} | {cell.strategy} | {len(cell.runs)} | {cell.accuracy:.3f} "
        f"| {cell.accuracy / bound:.0%} | {cell.mean_compute:,.0f} "
        f"| {cell.mean_compute / compute:.0%} |\n"
        for cell in table
    )
    return (
        "\n| budget | strategy | runs | accuracy | of that bound | compute, mean "
        f"| of all samples' |\n|---:|---|{'---:|' * 5}\n{rows}"
    )
