"""The samples of a recorded pool, graded."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from its_agent.answers import extract_answer
from its_agent.backends.pool_file import PoolRow, PoolSample, read_pool
from its_agent.backends.shelves import key_of_row
from its_agent.bench.first_request import answer_type
from its_agent.bench.pool_bounds import Drawn, PoolProblem
from its_agent.bench.problems import BenchProblem, is_right
from its_agent.normal_form import canonical
from its_agent.solution import AnswerType


def graded_pool(path: Path, ids: Collection[str]) -> list[PoolProblem]:
    """The pool's problems among these, each with the row that has most samples.

    Raises InvalidOption for a file that is no pool.
    """
    largest: dict[str, PoolRow] = {}
    for row in read_pool(path).rows:
        if row.id in ids and len(row.samples) > _size(largest.get(row.id)):
            largest[row.id] = row
    return [_graded(largest[name]) for name in sorted(largest)]


def _size(row: PoolRow | None) -> int:
    return len(row.samples) if row else 0


def _graded(row: PoolRow) -> PoolProblem:
    kind = answer_type(BenchProblem(id=row.id, problem=row.problem, answer=row.answer))
    return PoolProblem(
        id=row.id,
        key=key_of_row(row),
        prompt_tokens=row.prompt_tokens,
        samples=tuple(_drawn(sample, row.answer, kind) for sample in row.samples),
    )


def _drawn(sample: PoolSample, gold: str, kind: AnswerType) -> Drawn:
    answer = extract_answer(sample.text, kind) if sample.finish == "stop" else None
    return Drawn(
        answer=None if answer is None else canonical(answer, kind),
        right=is_right(answer, gold),
        tokens=sample.tokens,
    )
