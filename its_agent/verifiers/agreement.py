"""How far programs agree: by the tests that they pass, and by what they make of the same inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from its_agent.verifiers.trials import Outcome


def consensus_scores(passed: Sequence[frozenset[int]]) -> list[int]:
    """CodeT (arXiv 2207.10397): programs that pass the same tests are one consensus set, worth the
    number of its programs times the number of its tests. `passed` are each program's tests."""
    programs = Counter(passed)
    return [programs[tests] * len(tests) for tests in passed]


def behaviour_clusters(trials: Sequence[Sequence[Outcome] | None]) -> list[int | None]:
    """AlphaCode (arXiv 2203.07814): programs with the same outputs are one cluster, numbered by
    first appearance. None where nothing ran, or every case ended in an error: to fail alike is no
    agreement."""
    numbers: dict[tuple[Outcome, ...], int] = {}
    return [
        numbers.setdefault(tuple(trial), len(numbers))
        if trial is not None and works(trial)
        else None
        for trial in trials
    ]


def works(trial: Sequence[Outcome]) -> bool:
    """Whether any case came to a value."""
    return not all(outcome.raised for outcome in trial)


def agreement_shares(clusters: Sequence[int | None]) -> list[float]:
    """The share of all programs that are in each one's cluster; 0 for one that is in none."""
    sizes = Counter(clusters)
    return [0.0 if c is None else sizes[c] / len(clusters) for c in clusters]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A case that tells two programs apart, and what each makes of it."""

    case: str
    one: Outcome
    other: Outcome


def difference(
    cases: Sequence[str], one: Sequence[Outcome], other: Sequence[Outcome]
) -> Difference | None:
    """The case that best tells two behaviours apart (S*, arXiv 2502.14382): values rather than
    errors, then the shortest; None where they do the same."""
    found = [
        Difference(case=case, one=a, other=b)
        for case, a, b in zip(cases, one, other, strict=True)
        if a != b
    ]
    return min(found, key=lambda d: (d.one.raised + d.other.raised, len(d.case)), default=None)
