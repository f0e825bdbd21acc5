"""What each problem comes to at a strategy and budget: its orders averaged, as they share it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from operator import itemgetter

from its_agent.bench.curve import Point
from its_agent.bench.runs import Run
from its_agent.errors import InvalidInput

Setting = tuple[str, int]
"""A strategy and its budget."""
Points = Mapping[Setting, Point]
"""Where each setting stands over some problems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Accuracy and cost of one setting on each problem, in the order of the table's problems."""

    accuracy: tuple[float, ...]
    compute: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemTable:
    """Several settings on the same problems."""

    problems: tuple[str, ...]
    outcomes: Mapping[Setting, Outcomes]

    @property
    def points(self) -> Points:
        """Where each setting stands over all problems."""
        return self.points_of(range(len(self.problems)))

    def points_of(self, drawn: Sequence[int]) -> Points:
        """Where each setting stands over the problems at these places, each as often as named."""
        # Twice one place, so that `itemgetter` returns a tuple for one problem too.
        pick, size = itemgetter(*drawn, drawn[0]), len(drawn)
        return {
            setting: Point(
                compute=fsum(pick(one.compute)[:size]) / size,
                accuracy=fsum(pick(one.accuracy)[:size]) / size,
            )
            for setting, one in self.outcomes.items()
        }

    def with_outcomes(self, further: Mapping[Setting, Outcomes]) -> ProblemTable:
        """The table with the outcomes of further settings on the same problems."""
        return ProblemTable(problems=self.problems, outcomes={**self.outcomes, **further})


def problem_table(runs: Iterable[Run], strategies: Collection[str]) -> ProblemTable:
    """The runs of these strategies by setting and problem; only problems that every setting has.

    Raises InvalidInput when the settings share no problem.
    """
    grouped: dict[Setting, dict[str, list[Run]]] = {}
    for run in runs:
        if run.strategy in strategies:
            of_setting = grouped.setdefault((run.strategy, run.budget), {})
            of_setting.setdefault(run.id, []).append(run)
    shared = _shared(list(grouped.values()))
    if not shared:
        named = ", ".join(sorted(strategies))
        raise InvalidInput(f"the runs of {named} share no problem; run them on the same ones")
    return ProblemTable(
        problems=tuple(shared),
        outcomes={
            setting: _outcomes([seen[name] for name in shared])
            for setting, seen in sorted(grouped.items())
        },
    )


def _shared(settings: Sequence[Mapping[str, object]]) -> list[str]:
    """The problems of all settings, by name; of no setting there are none."""
    every = settings[0].keys() if settings else set[str]()
    return sorted(name for name in every if all(name in seen for seen in settings))


def _outcomes(by_problem: Sequence[Sequence[Run]]) -> Outcomes:
    return Outcomes(
        accuracy=tuple(average(run.correct for run in runs) for runs in by_problem),
        compute=tuple(average(run.spent.compute for run in runs) for runs in by_problem),
    )


def average(values: Iterable[float]) -> float:
    """The mean, which does not depend on the order of the values. Raises ZeroDivisionError without
    any."""
    listed = list(values)
    return fsum(listed) / len(listed)
