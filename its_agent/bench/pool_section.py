"""What a pool's samples allow, and how near the strategies come to it, as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence

from its_agent.bench.curve import Point
from its_agent.bench.envelope_section import interval_of
from its_agent.bench.equal_cost import Estimate, estimates, gap_closed_at
from its_agent.bench.markdown import NOT_REACHED, percent, table
from its_agent.bench.per_problem import Setting, average, problem_table
from its_agent.bench.pool_bounds import (
    PASS_AT,
    PoolProblem,
    clairvoyant,
    coverage,
    random_stop,
    votes,
)
from its_agent.bench.runs import Run

_HEAD = (
    "budget | strategy | compute, mean | accuracy | random stop at that cost "
    "| of the gap from pass@1 to pass@{most} | 95% interval"
)


def pool_section(runs: Sequence[Run], pool: Sequence[PoolProblem]) -> list[str]:
    """Heading, bounds and table; nothing where the pool holds none of the runs' problems."""
    held = {one.id for one in pool}
    shared = [run for run in runs if run.id in held]
    if not shared:
        return []
    seen = problem_table(shared, {run.strategy for run in shared})
    problems = [one for one in pool if one.id in seen.problems]
    problems.sort(key=lambda one: one.id)
    sizes = _sizes(problems)
    settings = sorted(seen.outcomes, key=lambda setting: (setting[1], setting[0]))
    gaps = [gap_closed_at(one, (PASS_AT, 1), (PASS_AT, sizes[-1])) for one in settings]
    closed = estimates(seen.with_outcomes(coverage(problems, sizes)), gaps)
    orders = {run.order for run in shared}
    drawn = [one.in_order(order) for one in problems for order in sorted(orders)]
    steps = votes(drawn)
    rows = [
        _row(setting, seen.points[setting], steps, share)
        for setting, share in zip(settings, closed, strict=True)
    ]
    return [
        "### What the samples allow",
        _bounds(problems, drawn, sizes),
        table(_HEAD.format(most=sizes[-1]), "rlrrrrr", rows),
    ]


def _bounds(
    problems: Sequence[PoolProblem], drawn: Sequence[PoolProblem], sizes: Sequence[int]
) -> str:
    head = " | ".join(f"pass@{k}" for k in sizes)
    shares = [percent(average(one.pass_at(k) for one in problems)) for k in sizes]
    seen, whole = clairvoyant(drawn), average(one.cost(len(one.samples)) for one in drawn)
    return (
        f"{table(head, 'r' * len(sizes), [shares])}\n\n"
        f"The plurality of all samples is right on {percent(seen.accuracy)} and costs {whole:,.0f} "
        "compute units a problem. A clairvoyant that stops when the leader is for the first time "
        f"the final one gets the same answers for {seen.compute:,.0f}. *Random stop* is the "
        "plurality where each sample is the last one with the same chance, such that the mean cost "
        "is the same."
    )


def bound_points(pool: Sequence[PoolProblem]) -> list[Point]:
    """pass@k and its mean cost for every k, by rising cost; nothing without a pool."""
    if not pool:
        return []
    told = coverage(pool, range(1, _most(pool) + 1))
    return [
        Point(compute=average(one.compute), accuracy=average(one.accuracy)) for one in told.values()
    ]


def _row(setting: Setting, own: Point, steps: Sequence[Point], closed: Estimate) -> tuple[str, ...]:
    stopped = random_stop(steps, own.compute)
    return (
        f"{setting[1]:,}",
        setting[0],
        f"{own.compute:,.0f}",
        percent(own.accuracy),
        NOT_REACHED if stopped is None else percent(stopped.accuracy),
        NOT_REACHED if closed.value is None else percent(closed.value),
        interval_of(closed, percent),
    )


def _sizes(problems: Sequence[PoolProblem]) -> list[int]:
    """Powers of two, and all samples."""
    most = _most(problems)
    return sorted({k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= most} | {most})


def _most(problems: Sequence[PoolProblem]) -> int:
    return min(len(one.samples) for one in problems)
