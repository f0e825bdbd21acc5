"""The record of a benchmark: one JSON line for each problem, strategy, budget and order."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from its_agent.bench.grading import Grader
from its_agent.bench.problems import BenchProblem, is_right
from its_agent.budget import Usage
from its_agent.errors import InvalidInput, ItsAgentError, SolveFailed
from its_agent.receipt import Fingerprint, Receipt
from its_agent.solution import Candidate, Solution

LONGEST_ANSWER = 200
"""Characters of a candidate's answer that are kept."""

RunKey = tuple[str, str, int, int]
"""Problem id, strategy, budget and order."""


class Sample(BaseModel):
    """A candidate without its text."""

    model_config = ConfigDict(frozen=True)

    answer: str | None
    """A long one is named by its digest."""
    right: bool | None = None
    """None in records that were not graded sample by sample."""
    logprob: float | None
    tokens: int
    path: str
    strategy: str
    finish: str

    @classmethod
    def of(cls, candidate: Candidate, *, right: bool) -> Sample:
        """Keep what a later analysis needs."""
        return cls(
            answer=_short(candidate.answer),
            right=right,
            logprob=candidate.mean_logprob,
            tokens=candidate.usage.completion_tokens,
            path=candidate.path,
            strategy=candidate.strategy,
            finish=candidate.finish,
        )


class Run(BaseModel):
    """One problem solved by one strategy at one budget of compute units."""

    model_config = ConfigDict(frozen=True)

    id: str
    strategy: str
    budget: int
    gold: str
    answer: str | None
    correct: bool
    confidence: float
    status: str
    spent: Usage
    by_purpose: Mapping[str, Usage]
    stopped_because: str | None
    seconds: float
    steps: tuple[Mapping[str, Any], ...]
    candidates: tuple[Sample, ...]
    engine: Fingerprint
    command: str
    """The command line that made this run, files by their names."""
    error: str | None = None
    order: int = 0
    """Which order of a pool's samples it met; 0 where there is no pool."""

    @property
    def key(self) -> RunKey:
        """What makes a run the same run."""
        return (self.id, self.strategy, self.budget, self.order)

    @property
    def covered(self) -> bool:
        """Whether any of its candidates is right: what the best selection could have got."""
        return any(map(self.holds_right, self.candidates))

    def holds_right(self, sample: Sample) -> bool:
        """Whether one of its candidates is right."""
        return is_right(sample.answer, self.gold) if sample.right is None else sample.right

    @property
    def raw_tokens(self) -> int:
        """Tokens read and generated, those from the prefix cache included."""
        return self.spent.prompt_tokens + self.spent.completion_tokens


async def solved_run(
    problem: BenchProblem,
    solution: Solution,
    grader: Grader,
    *,
    strategy: str,
    budget: int,
    order: int = 0,
    command: str,
) -> Run:
    """Grade and record a solve that returned."""
    rights = [await grader.is_right(problem, candidate.answer) for candidate in solution.candidates]
    return Run(
        id=problem.id,
        strategy=strategy,
        budget=budget,
        order=order,
        gold=problem.answer,
        answer=solution.answer,
        correct=await grader.is_right(problem, solution.answer),
        confidence=solution.confidence,
        status=solution.status,
        candidates=tuple(
            Sample.of(candidate, right=right)
            for candidate, right in zip(solution.candidates, rights, strict=True)
        ),
        command=command,
        **_paid(solution.receipt),
    )


def failed_run(
    problem: BenchProblem,
    error: ItsAgentError,
    *,
    strategy: str,
    budget: int,
    order: int = 0,
    command: str,
    engine: Fingerprint,
) -> Run:
    """Record a solve that raised: not right, and charged with what it paid."""
    nothing: dict[str, Any] = {
        "spent": Usage(),
        "by_purpose": {},
        "stopped_because": None,
        "seconds": 0.0,
        "steps": (),
        "engine": engine,
    }
    return Run(
        id=problem.id,
        strategy=strategy,
        budget=budget,
        order=order,
        gold=problem.answer,
        answer=None,
        correct=False,
        confidence=0.0,
        status="error",
        candidates=(),
        command=command,
        error=f"{type(error).__name__}: {error}",
        **(_paid(error.receipt) if isinstance(error, SolveFailed) else nothing),
    )


def _paid(receipt: Receipt) -> dict[str, Any]:
    return {
        "spent": receipt.spent,
        "by_purpose": receipt.by_purpose,
        "stopped_because": receipt.stopped_because,
        "seconds": receipt.elapsed_seconds,
        "steps": tuple(receipt.to_dict()["steps"]),
        "engine": receipt.engine,
    }


def _short(answer: str | None) -> str | None:
    if answer is None or len(answer) <= LONGEST_ANSWER:
        return answer
    return f"sha256:{hashlib.sha256(answer.encode()).hexdigest()}"


def read_runs(path: Path) -> list[Run]:
    """The runs in a file, plain or .gz; a last line that was cut off while being written is left
    out.

    Raises InvalidInput for any other line that is not a run, or a file that cannot be read.
    """
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).split(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"the runs file {path} cannot be read: {error}") from error
    whole = lines[:-1] if lines[-1:] != [b""] else lines
    return [_run(line, where=f"{path}, line {n}") for n, line in enumerate(whole, 1) if line]


def _run(line: bytes, *, where: str) -> Run:
    try:
        return Run.model_validate_json(line)
    except ValidationError as error:
        raise InvalidInput(
            f"{where} is not a run ({error.errors()[0]['msg']}); "
            "remove that line and its run is made again, or give another --out"
        ) from error


def drop_broken_end(path: Path) -> None:
    """Cut off a last line that has no end, so that the next run starts on a line of its own."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as handle:
            handle.truncate(content.rfind(b"\n") + 1)


def append_run(path: Path, run: Run) -> None:
    """Add one line to the file."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(run.model_dump_json() + "\n")
