"""What the runs of a benchmark come to: one cell a strategy and budget, and paired comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from its_agent.bench.runs import Run
from its_agent.bench.stats import Interval, mcnemar, paired_bootstrap, wilson

SUBJECT = "adaptive"
"""The strategy that the others are compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """All runs of one strategy at one budget."""

    strategy: str
    budget: int
    runs: tuple[Run, ...]

    @property
    def right(self) -> int:
        """Runs whose answer is the gold one."""
        return sum(run.correct for run in self.runs)

    @property
    def accuracy(self) -> float:
        """Share of runs that are right."""
        return self.right / len(self.runs)

    @property
    def interval(self) -> Interval:
        """The accuracy's 95% Wilson interval."""
        return wilson(self.right, len(self.runs))

    @property
    def mean_compute(self) -> float:
        """Compute units a problem."""
        return mean(run.spent.compute for run in self.runs)

    @property
    def stops(self) -> list[tuple[str, int]]:
        """Why runs stopped, the most frequent reason first."""
        return Counter(run.stopped_because or "error" for run in self.runs).most_common()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two strategies on the same problems at the same budget."""

    subject: str
    baseline: str
    budget: int
    problems: int
    difference: float
    """The subject's accuracy minus the baseline's, over the problems that both ran."""
    interval: Interval
    only_subject: int
    """Problems that only the subject got right."""
    only_baseline: int

    @property
    def p(self) -> float:
        """The exact McNemar p-value."""
        return mcnemar(self.only_subject, self.only_baseline)


def cells(runs: Iterable[Run]) -> list[Cell]:
    """The cells by budget, the subject first and then the other strategies by name."""
    grouped: dict[tuple[int, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.budget, run.strategy), []).append(run)
    order = sorted(grouped, key=lambda key: (key[0], key[1] != SUBJECT, key[1]))
    return [
        Cell(strategy=strategy, budget=budget, runs=tuple(grouped[budget, strategy]))
        for budget, strategy in order
    ]


def comparisons(table: Sequence[Cell]) -> list[Comparison]:
    """The subject against every other strategy at the same budget, over the shared problems."""
    subjects = {cell.budget: cell for cell in table if cell.strategy == SUBJECT}
    others = (cell for cell in table if cell.strategy != SUBJECT and cell.budget in subjects)
    pairs = ((subjects[cell.budget], cell) for cell in others)
    return [compare(one, other) for one, other in pairs if _ids(one) & _ids(other)]


def compare(subject: Cell, baseline: Cell) -> Comparison:
    """Pair two cells by problem. Raises ValueError when they share none."""
    ours, theirs = ({run.id: run.correct for run in cell.runs} for cell in (subject, baseline))
    differences = [ours[name] - theirs[name] for name in ours if name in theirs]
    return Comparison(
        subject=subject.strategy,
        baseline=baseline.strategy,
        budget=subject.budget,
        problems=len(differences),
        interval=paired_bootstrap(differences),
        difference=mean(differences),
        only_subject=differences.count(1),
        only_baseline=differences.count(-1),
    )


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean. Raises ZeroDivisionError without values."""
    listed = list(values)
    return sum(listed) / len(listed)


def _ids(cell: Cell) -> set[str]:
    return {run.id for run in cell.runs}
