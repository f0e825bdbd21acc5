"""A pool's samples, each with what a belief looks at and whether it was right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from its_agent.answers import canonical, extract_answer, infer_answer_type
from its_agent.backends.pool_file import PoolRow, PoolSample
from its_agent.backends.shelves import READ_TOKENS
from its_agent.difficulty.sample_features import Asked, sample_features
from its_agent.solution import AnswerType

USUAL = "step_by_step"
"""The prompt of rows that do not name theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedSample:
    """One sample of a problem whose right answer is known."""

    answer: int | None
    """Equal answers of a problem have equal numbers; None is a sample without one."""
    is_right: bool
    tokens: int
    features: tuple[float, ...] | None
    """See `sample_features`; None without an answer or log-probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedProblem:
    """A problem and its samples by arm, named such as "step_by_step@0.8"."""

    id: str
    asked: Asked
    prompt_tokens: int
    arms: dict[str, list[GradedSample]] = field(default_factory=dict[str, list[GradedSample]])

    @property
    def samples(self) -> list[GradedSample]:
        """Those of all arms."""
        return [sample for listed in self.arms.values() for sample in listed]

    @property
    def right_answer(self) -> int | None:
        """The number of the right answer; None where no sample gives it."""
        return next((one.answer for one in self.samples if one.is_right), None)


def arm_name(row: PoolRow) -> str:
    """The arm that a row's samples belong to."""
    return f"{row.arm or USUAL}@{row.temperature:g}"


def graded(rows: Iterable[PoolRow], *, model: str) -> list[GradedProblem]:
    """Grade every sample of one model by equality with the reference answer; rows without one, and
    reads, are left out. A row that names no model is taken for this one's."""
    problems: dict[str, GradedProblem] = {}
    numbers: dict[str, dict[object, int]] = {}
    for row in rows:
        if row.max_tokens <= READ_TOKENS or not row.answer or row.model not in (None, model):
            continue
        kind = infer_answer_type(row.problem)
        problem = problems.setdefault(
            row.id or row.problem,
            GradedProblem(
                id=row.id or row.problem,
                asked=Asked.of(row.problem, kind),
                prompt_tokens=row.prompt_tokens,
            ),
        )
        known = numbers.setdefault(problem.id, {})
        listed = problem.arms.setdefault(arm_name(row), [])
        listed.extend(_graded(sample, row, problem.asked, known) for sample in row.samples)
    return list(problems.values())


def _graded(
    sample: PoolSample, row: PoolRow, asked: Asked, known: dict[object, int]
) -> GradedSample:
    answer = extract_answer(sample.text, asked.answer_type) if sample.finish == "stop" else None
    if answer is None:
        return GradedSample(answer=None, is_right=False, tokens=sample.tokens, features=None)
    value = _comparable(answer, asked.answer_type)
    return GradedSample(
        answer=known.setdefault(value, len(known)),
        is_right=value == _comparable(row.answer, asked.answer_type),
        tokens=sample.tokens,
        features=_features(sample, asked, answer),
    )


def _comparable(answer: str, kind: AnswerType) -> object:
    return canonical(answer, "math" if kind == "number" else kind)


def _features(sample: PoolSample, asked: Asked, answer: str) -> tuple[float, ...] | None:
    if not sample.logprobs:
        return None
    mean = sum(sample.logprobs) / len(sample.logprobs)
    return sample_features(
        asked, text=sample.text, answer=answer, tokens=sample.tokens, mean_logprob=mean
    )
