"""Problem files: JSON lines of id, problem and answer, plain or gzipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from its_agent.answers import canonical
from its_agent.errors import InvalidInput, InvalidOption
from its_agent.solution import Problem

Row = TypeVar("Row", bound=BaseModel)

CODE_ONLY = "Reply with the code alone, in one fenced block."


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    id: str


class BenchProblem(_Named):
    """One row of a problem file; other fields of the row are left alone."""

    problem: str = Field(min_length=1)
    answer: str
    """The answer that counts as right, where there are no tests; with tools the list of calls, as
    JSON (see `function_calls`)."""
    tests: tuple[str, ...] = ()
    """Lines of Python that a right program passes. The first is shown and may be run by a verifier;
    the others grade."""
    test_setup: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions that can be called, by the names, descriptions and parameters they have."""

    @field_validator("answer", mode="before")
    @classmethod
    def _listed_calls(cls, answer: object) -> object:
        return json.dumps(answer) if isinstance(answer, list) else answer

    @property
    def posed(self) -> Problem:
        """What a solver is given."""
        if self.tools:
            return Problem([{"role": "user", "content": self.problem}], answer_type="text")
        if not self.tests:
            return Problem.of(self.problem)
        shown = self.tests[0]
        text = f"{self.problem}\n\nThe code must pass this test:\n\n{shown}\n\n{CODE_ONLY}"
        return Problem(
            [{"role": "user", "content": text}], answer_type="text", tests=self._runnable(shown)
        )

    @property
    def grading_tests(self) -> tuple[str, ...]:
        """The tests that decide whether a program is right: all, as one may be all there is."""
        return self._runnable(*self.tests)

    def _runnable(self, *tests: str) -> tuple[str, ...]:
        return (self.test_setup, *tests) if self.test_setup else tests


def read_problems(path: Path, *, limit: int, exclude: Sequence[Path] = ()) -> list[BenchProblem]:
    """The first `limit` problems whose id is in none of the `exclude` files, in the file's order.

    Raises InvalidInput for a file that cannot be read or holds too few problems.
    """
    _check_limit(limit)
    return first_problems(limit, all_problems(path, exclude=exclude), where=f"{path} has")


def first_problems(
    limit: int, problems: Sequence[BenchProblem], *, where: str
) -> list[BenchProblem]:
    """The first `limit` of them. Raises InvalidInput, which says `where`, when there are fewer."""
    _check_limit(limit)
    if len(problems) < limit:
        raise InvalidInput(
            f"{where} {len(problems)} problems that are not excluded, --limit asks for {limit}; "
            "lower the limit or give a larger file"
        )
    return list(problems[:limit])


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise InvalidOption(f"--limit must be 1 or more, got {limit}")


def all_problems(path: Path, *, exclude: Sequence[Path] = ()) -> list[BenchProblem]:
    """Every problem whose id is in none of the `exclude` files. Raises InvalidInput."""
    left_out = {row.id for file in exclude for row in _rows(file, _Named)}
    kept: dict[str, BenchProblem] = {}
    for row in _rows(path, BenchProblem):
        if row.id not in left_out:
            _refuse_twin(row, kept, path)
            kept[row.id] = row
    return list(kept.values())


def is_right(answer: str | None, gold: str) -> bool:
    """Whether an answer is the gold one; numbers are compared as exact fractions."""
    return answer is not None and canonical(answer, "math") == canonical(gold, "math")


def _refuse_twin(row: BenchProblem, kept: dict[str, BenchProblem], path: Path) -> None:
    if row.id in kept:
        raise InvalidInput(f"{path} has two problems with the id {row.id!r}; make ids unique")


def _rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(line, kind, where=f"{path}, line {number}")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the problem file {path} cannot be read: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _row(line: str, kind: type[Row], *, where: str) -> Row:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        said = f"{field}: {first['msg']}" if field else first["msg"]
        raise InvalidInput(
            f"{where} is not a problem: {said}; each line is "
            'a JSON object such as {"id": "1", "problem": "What is 2+2?", "answer": "4"}'
        ) from error
