"""What the runs of a benchmark come to: one cell a strategy and budget, and paired comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from its_agent.bench.per_problem import average
from its_agent.bench.runs import Run
from its_agent.bench.stats import Interval, bootstrap_mean, mcnemar, wilson

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
    def orders(self) -> int:
        """The orders of samples that it met."""
        return len({run.order for run in self.runs})

    @property
    def accuracy(self) -> float:
        """Share of runs that are right, each problem's orders averaged first."""
        return average(self._accuracies)

    @property
    def interval(self) -> Interval:
        """The accuracy's 95% interval: Wilson's, or with several orders that of a bootstrap of the
        problems, as the orders of one problem are no trials of their own."""
        if self.orders == 1:
            return wilson(self.right, len(self.runs))
        return bootstrap_mean(self._accuracies)

    @property
    def mean_compute(self) -> float:
        """Compute units a problem."""
        return average(self._by_problem(lambda run: run.spent.compute))

    @property
    def _accuracies(self) -> list[float]:
        return self._by_problem(lambda run: run.correct)

    def _by_problem(self, value: Callable[[Run], float]) -> list[float]:
        grouped: dict[str, list[float]] = {}
        for run in self.runs:
            grouped.setdefault(run.id, []).append(value(run))
        return [average(grouped[name]) for name in sorted(grouped)]

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
    orders: int
    difference: float
    """The subject's accuracy minus the baseline's, over the problems that both ran."""
    interval: Interval
    only_subject: int
    """Pairs of runs of which only the subject's is right."""
    only_baseline: int

    @property
    def p(self) -> float | None:
        """The exact McNemar p-value; None with several orders, whose pairs are not independent."""
        return mcnemar(self.only_subject, self.only_baseline) if self.orders == 1 else None


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


def comparisons(table: Sequence[Cell], subject: str = SUBJECT) -> list[Comparison]:
    """The subject against every other strategy at the same budget, over the shared problems."""
    subjects = {cell.budget: cell for cell in table if cell.strategy == subject}
    others = (cell for cell in table if cell.strategy != subject and cell.budget in subjects)
    pairs = ((subjects[cell.budget], cell) for cell in others)
    return [
        compare(one, other) for one, other in pairs if _rights(one).keys() & _rights(other).keys()
    ]


def compare(subject: Cell, baseline: Cell) -> Comparison:
    """Pair two cells by problem and order. Raises ValueError when they share none."""
    ours, theirs = _rights(subject), _rights(baseline)
    paired = {key: ours[key] - theirs[key] for key in ours if key in theirs}
    by_problem: dict[str, list[float]] = {}
    for (name, _), difference in sorted(paired.items()):
        by_problem.setdefault(name, []).append(difference)
    differences = [average(of_problem) for of_problem in by_problem.values()]
    told = list(paired.values())
    return Comparison(
        subject=subject.strategy,
        baseline=baseline.strategy,
        budget=subject.budget,
        problems=len(differences),
        orders=len({order for _, order in paired}),
        interval=bootstrap_mean(differences),
        difference=average(differences),
        only_subject=told.count(1),
        only_baseline=told.count(-1),
    )


def _rights(cell: Cell) -> dict[tuple[str, int], bool]:
    return {(run.id, run.order): run.correct for run in cell.runs}
