"""A strategy against the best that others reach at its cost, as a section of the page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from its_agent.bench.equal_cost import (
    RESAMPLES,
    Estimate,
    cost_ratio_at,
    difference_at,
    envelope_of,
    estimates,
)
from its_agent.bench.markdown import NOT_REACHED, percent, points, table
from its_agent.bench.per_problem import ProblemTable, Setting, problem_table
from its_agent.bench.runs import Run
from its_agent.bench.table import SUBJECT
from its_agent.errors import InvalidInput

_HEAD = (
    "budget | compute, mean | accuracy | envelope | difference | 95% interval "
    "| cost by the envelope's | 95% interval"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """Which strategy is held against the envelope of which others."""

    subject: str
    baselines: tuple[str, ...]


def subject_of(several: Sequence[Rivals]) -> str:
    """The strategy that a page is about."""
    return several[0].subject if several else SUBJECT


def check_rivals(known: Collection[str], rivals: Rivals) -> None:
    """Raise InvalidInput for a strategy that has no runs, and for a subject among its baselines."""
    if rivals.subject not in known:
        raise InvalidInput(
            f"there are no runs of {rivals.subject}; --subject takes one of "
            f"{', '.join(sorted(known))}"
        )
    missing = [name for name in rivals.baselines if name not in known]
    if missing or rivals.subject in rivals.baselines:
        wrong = f"no runs of {', '.join(missing)}" if missing else "the subject among the baselines"
        raise InvalidInput(
            f"there are {wrong}; --baselines takes other strategies than {rivals.subject} out of "
            f"{', '.join(sorted({*known} - {rivals.subject}))}"
        )


def envelope_sections(runs: Sequence[Run], several: Sequence[Rivals]) -> list[str]:
    """For each of them a heading, a note and a table; nothing where one side has no runs.

    The envelope is of those baselines that have any.
    """
    kinds = list(dict.fromkeys(one.baselines for one in several))
    names = {
        kind: f"envelope {number}" if len(kinds) > 1 else "the envelope"
        for number, kind in enumerate(kinds, start=1)
    }
    return [part for one in several for part in _section(runs, one, names[one.baselines])]


def _section(runs: Sequence[Run], rivals: Rivals, named: str) -> list[str]:
    known = {run.strategy for run in runs}
    rivals = replace(rivals, baselines=tuple(name for name in rivals.baselines if name in known))
    if rivals.subject not in known or not rivals.baselines:
        return []
    seen = problem_table(runs, {rivals.subject, *rivals.baselines})
    orders = len({run.order for run in runs})
    heading = f"### {rivals.subject.capitalize()} against {named}"
    return [heading, _note(seen, rivals, orders), table(_HEAD, "rrrrrrrr", _rows(seen, rivals))]


def _note(seen: ProblemTable, rivals: Rivals, orders: int) -> str:
    return (
        f"The envelope is the upper hull of all points of {', '.join(rivals.baselines)} over "
        f"{len(seen.problems)} problems, {orders} order{'s' * (orders > 1)} of samples each: what "
        "lies between two points is reached by drawing one of them at random for each problem. "
        "*Difference* is accuracy above it at the same mean cost, in percentage points; *cost by "
        "the envelope's* is what the subject pays for its accuracy by what the envelope pays for "
        f"the same, below 1 where it is cheaper. Intervals are from {RESAMPLES:,} resamples of the "
        "problems, with all curves drawn anew. Nothing is extrapolated: where the envelope ends "
        "before, it is *not reached*."
    )


def _rows(seen: ProblemTable, rivals: Rivals) -> list[tuple[str, ...]]:
    subjects = sorted(setting for setting in seen.outcomes if setting[0] == rivals.subject)
    asked = [
        statistic(subject, rivals.baselines)
        for subject in subjects
        for statistic in (difference_at, cost_ratio_at)
    ]
    told = estimates(seen, asked)
    pairs = zip(told[::2], told[1::2], strict=True)
    return [
        _row(seen, rivals, subject, difference, ratio)
        for subject, (difference, ratio) in zip(subjects, pairs, strict=True)
    ]


def _row(
    seen: ProblemTable, rivals: Rivals, subject: Setting, difference: Estimate, ratio: Estimate
) -> tuple[str, ...]:
    own = seen.points[subject]
    best = envelope_of(seen.points, rivals.baselines).accuracy_at(own.compute)
    return (
        f"{subject[1]:,}",
        f"{own.compute:,.0f}",
        percent(own.accuracy),
        NOT_REACHED if best is None else percent(best),
        NOT_REACHED if difference.value is None else points(difference.value),
        interval_of(difference, points),
        NOT_REACHED if ratio.value is None else _ratio(ratio.value),
        interval_of(ratio, _ratio),
    )


def interval_of(estimate: Estimate, written: Callable[[float], str]) -> str:
    """An estimate's interval, and in how many resamples it is reached where it is not in all."""
    if estimate.interval is None:
        return "–"
    said = f"{written(estimate.interval.low)} to {written(estimate.interval.high)}"
    share = f" (in {estimate.reached:.0%} of resamples)" if estimate.reached < 1 else ""
    return said + share


def _ratio(value: float) -> str:
    return f"{value:.2f}"
