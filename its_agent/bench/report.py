"""The page of results: what was run, what came out, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from its_agent.bench.accuracy_section import accuracy_section, stops_section
from its_agent.bench.calibration_section import calibration_section
from its_agent.bench.envelope_section import (
    Rivals,
    check_rivals,
    envelope_sections,
    subject_of,
)
from its_agent.bench.paired_section import paired_section
from its_agent.bench.pool_bounds import PoolProblem
from its_agent.bench.pool_section import pool_section
from its_agent.bench.refining_section import refining_section
from its_agent.bench.runs import Run
from its_agent.bench.stats import BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED
from its_agent.bench.table import cells, comparisons
from its_agent.bench.where import where_section
from its_agent.errors import InvalidInput

_INTRODUCTION = f"""\
# Benchmarks

Runs against a real engine, or against samples recorded from one where a section says so: one for
each problem, strategy and budget. A budget is in compute units: one unit is one token read or
generated, and prompt tokens that the engine served from its prefix cache cost nothing.

Accuracy is followed by its 95% Wilson interval. *Any right* counts the runs with a right candidate
among theirs: the bound (pass@k) for whatever could have been chosen from them. Compute is what the
receipt charges; *share* is mean compute by budget. *Raw tokens* counts every token read and
generated, cached ones too: all runs share one engine and so its prefix cache. The runs of a problem
are made close together, and the strategies take turns at being first, so that each meets a cold
cache equally often. *Seconds* are those of a run while others ran beside it.

Strategies are compared by their difference in accuracy over the same problems at the same budget,
in percentage points, with a 95% interval from {BOOTSTRAP_RESAMPLES:,} bootstrap resamples of the
problems (seed {BOOTSTRAP_SEED}), and the exact McNemar p-value."""

_REPLAYED = """\
These are no live runs: {orders} of recorded samples {were} replayed, and every strategy met the
same samples in the same order. No cache is shared, so every prompt is charged, and seconds are the
framework's own."""
_SEVERAL = """\
The orders of a problem are averaged first. Intervals are those of a bootstrap of the problems, and
there is no McNemar p-value, as the orders of one problem are no trials of their own. Orders
shuffle the same samples: the more of them a run draws, the less its orders can differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a page shows besides the runs: nothing, unless it is asked for."""

    charts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Addresses of the pictures of accuracy against compute, by benchmark."""
    diagrams: Mapping[str, str] = field(default_factory=dict[str, str])
    """Addresses of the reliability diagrams, by benchmark."""
    rivals: Sequence[Rivals] = ()
    """A section each."""
    pool: Sequence[PoolProblem] = ()
    """The samples that runs were replayed from."""


def report(benchmarks: Mapping[str, Sequence[Run]], beside: Beside | None = None) -> str:
    """The page as Markdown: a section for each benchmark, by its name.

    Raises InvalidInput when there are no runs, or none of the strategies to be held together.
    """
    shown = beside or Beside()
    known = {run.strategy for runs in benchmarks.values() for run in runs}
    for rivals in shown.rivals if known else ():
        check_rivals(known, rivals)
    parts = (_section(name, runs, shown) for name, runs in benchmarks.items())
    return "\n\n".join([_INTRODUCTION, *parts]) + "\n"


def _section(name: str, runs: Sequence[Run], shown: Beside) -> str:
    if not runs:
        raise InvalidInput("there are no runs to report on; make some with its-agent bench")
    table = cells(runs)
    chart = shown.charts.get(name)
    parts = [
        f"## {name}",
        _setting(runs),
        *_replayed(runs),
        "### Accuracy and compute",
        accuracy_section(table),
        *([f"![Accuracy against mean compute]({chart})"] if chart else []),
        *paired_section(comparisons(table, subject_of(shown.rivals))),
        *envelope_sections(runs, shown.rivals),
        *pool_section(runs, shown.pool),
        *refining_section(table),
        *calibration_section(table, shown.diagrams.get(name)),
        *where_section(table),
        "### The budget",
        _budget(runs),
        "### Why runs stopped",
        stops_section(table),
        *_failures(runs),
        "### Problems",
        _problems(runs),
    ]
    return "\n\n".join(parts)


def _setting(runs: Sequence[Run]) -> str:
    commands = "\n".join(dict.fromkeys(run.command for run in runs))
    engines = "\n".join(f"- {line}" for line in dict.fromkeys(_engine(run) for run in runs))
    return f"Made by\n\n```\n{commands}\n```\n\non\n\n{engines}"


def _engine(run: Run) -> str:
    engine = run.engine
    named = {
        "model": engine.model,
        "engine": engine.engine or engine.backend,
        "dtype": engine.dtype,
        "context": engine.context_length and f"{engine.context_length:,} tokens",
        "sampling": ", ".join(
            f"{key}={value}" for key, value in engine.sampling.items() if key != "seed"
        ),
    }
    return "; ".join(f"{name} {value}" for name, value in named.items() if value)


def _replayed(runs: Sequence[Run]) -> list[str]:
    if not any(run.engine.backend == "pool" for run in runs):
        return []
    count = len({run.order for run in runs})
    orders, were = (f"{count} orders", "were") if count > 1 else ("one order", "was")
    said = _REPLAYED.format(orders=orders, were=were)
    return [said, _SEVERAL] if count > 1 else [said]


def _budget(runs: Sequence[Run]) -> str:
    over = [run for run in runs if run.spent.compute > run.budget]
    said = f"Runs that used more than their budget: **{len(over)}** of {len(runs):,}."
    fullest = max(run.spent.compute / run.budget for run in runs)
    named = [f"- {run.id}, {run.strategy} at {run.budget:,}: {run.spent.compute:,}" for run in over]
    return "\n".join([f"{said} The fullest run used {fullest:.1%} of its budget.", *named])


def _failures(runs: Sequence[Run]) -> list[str]:
    failed = [run for run in runs if run.error]
    if not failed:
        return []
    head = f"Runs that ended with an error and count as wrong: {len(failed)}."
    named = (f"- {run.id}, {run.strategy} at {run.budget:,}: {run.error}" for run in failed)
    return ["\n".join([head, "", *named])]


def _problems(runs: Sequence[Run]) -> str:
    ids = list(dict.fromkeys(run.id for run in runs))
    return f"{len(ids)} problems, in the order of the runs: {', '.join(ids)}."
