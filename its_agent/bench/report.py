"""The page of results: what was run, what came out, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from its_agent.bench.runs import Run
from its_agent.bench.stats import BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED, Interval
from its_agent.bench.table import Cell, Comparison, cells, comparisons, mean
from its_agent.bench.transitions import REFINES, Transitions, transitions
from its_agent.errors import InvalidInput

_INTRODUCTION = f"""\
# Benchmarks

Live runs against a real engine, one for each problem, strategy and budget. A budget is in compute
units: one unit is one token read or generated, and prompt tokens that the engine served from its
prefix cache cost nothing.

Accuracy is followed by its 95% Wilson interval. *Any right* counts the runs with a right candidate
among theirs: the bound (pass@k) for whatever could have been chosen from them. Compute is what the
receipt charges; *share* is mean compute by budget. *Raw tokens* counts every token read and
generated, cached ones too: all runs share one engine and so its prefix cache. The runs of a problem
are made close together, and the strategies take turns at being first, so that each meets a cold
cache equally often. *Seconds* are those of a run while others ran beside it.

Strategies are compared by their difference in accuracy over the same problems at the same budget,
in percentage points, with a 95% interval from {BOOTSTRAP_RESAMPLES:,} bootstrap resamples of the
problems (seed {BOOTSTRAP_SEED}), and the exact McNemar p-value."""

_ACCURACY_HEAD = (
    "budget | strategy | right | accuracy | any right | compute, mean | max | share "
    "| raw tokens | seconds"
)
_PAIRED_HEAD = (
    "budget | against | problems | difference | 95% interval "
    "| only adaptive right | only the other right | p"
)
_REFINING_HEAD = (
    "budget | strategy | drafts right | final answers right | right made wrong "
    "| wrong made right | p"
)
_REFINING_NOTE = """\
A draft is a run's first solution. Shares have their 95% Wilson intervals; *p* is the exact McNemar
p-value of the final answers against the drafts."""


def report(
    benchmarks: Mapping[str, Sequence[Run]], *, charts: Mapping[str, str] | None = None
) -> str:
    """The page as Markdown: a section for each benchmark, by its name; `charts` has the addresses
    of the pictures to show.

    Raises InvalidInput when there are no runs.
    """
    pictures = charts or {}
    parts = (_section(name, runs, pictures.get(name)) for name, runs in benchmarks.items())
    return "\n\n".join([_INTRODUCTION, *parts]) + "\n"


def _section(name: str, runs: Sequence[Run], chart: str | None) -> str:
    if not runs:
        raise InvalidInput("there are no runs to report on; make some with its-agent bench")
    table = cells(runs)
    parts = [
        f"## {name}",
        _setting(runs),
        "### Accuracy and compute",
        _accuracy(table),
        *([f"![Accuracy against mean compute]({chart})"] if chart else []),
        *_paired(comparisons(table)),
        *_refining(table),
        "### The budget",
        _budget(runs),
        "### Why runs stopped",
        _stops(table),
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
        "sampling": ", ".join(f"{key}={value}" for key, value in engine.sampling.items()),
    }
    return "; ".join(f"{name} {value}" for name, value in named.items() if value)


def _accuracy(table: Sequence[Cell]) -> str:
    return _markdown(_ACCURACY_HEAD, "rlrrrrrrrr", map(_accuracy_row, table))


def _accuracy_row(cell: Cell) -> tuple[str, ...]:
    interval = cell.interval
    return (
        f"{cell.budget:,}",
        cell.strategy,
        f"{cell.right} of {len(cell.runs)}",
        f"{_percent(cell.accuracy)} ({_percent(interval.low)} to {_percent(interval.high)})",
        str(sum(run.covered for run in cell.runs)),
        f"{cell.mean_compute:,.0f}",
        f"{max(run.spent.compute for run in cell.runs):,}",
        f"{cell.mean_compute / cell.budget:.0%}",
        f"{mean(run.raw_tokens for run in cell.runs):,.0f}",
        f"{mean(run.seconds for run in cell.runs):.1f}",
    )


def _paired(compared: Sequence[Comparison]) -> list[str]:
    if not compared:
        return []
    rows = _markdown(_PAIRED_HEAD, "rlrrrrrr", map(_paired_row, compared))
    said = "\n".join(f"- {_sentence(one)}" for one in compared)
    return ["### Adaptive against each baseline", rows, said]


def _paired_row(one: Comparison) -> tuple[str, ...]:
    return (
        f"{one.budget:,}",
        one.baseline,
        str(one.problems),
        _points(one.difference),
        f"{_points(one.interval.low)} to {_points(one.interval.high)}",
        str(one.only_subject),
        str(one.only_baseline),
        f"{one.p:.3f}",
    )


def _sentence(one: Comparison) -> str:
    if one.difference == 0:
        stand = f"{one.subject} and {one.baseline} are level"
    else:
        side = "ahead of" if one.difference > 0 else "behind"
        stand = f"{one.subject} is {abs(100 * one.difference):.1f} points {side} {one.baseline}"
    if 0 in one.interval:
        return (
            f"At {one.budget:,}, {stand}, and the interval holds 0: "
            f"{one.problems} problems do not tell the two apart."
        )
    return f"At {one.budget:,}, {stand}, and the interval does not hold 0."


def _refining(table: Sequence[Cell]) -> list[str]:
    refined = [(cell, transitions(cell.runs)) for cell in table if cell.strategy in REFINES]
    rows = [_refining_row(cell, seen) for cell, seen in refined if seen.runs]
    if not rows:
        return []
    heading = "### Drafts, and what refining made of them"
    return [heading, _REFINING_NOTE, _markdown(_REFINING_HEAD, "rlrrrrr", rows)]


def _refining_row(cell: Cell, seen: Transitions) -> tuple[str, ...]:
    return (
        f"{cell.budget:,}",
        cell.strategy,
        f"{seen.drafts_right} of {seen.runs}",
        f"{seen.finals_right} of {seen.runs}",
        _share(seen.spoiled, seen.drafts_right, seen.spoiling),
        _share(seen.mended, seen.drafts_wrong, seen.mending),
        f"{seen.p:.3f}",
    )


def _share(count: int, of: int, interval: Interval) -> str:
    if of == 0:
        return "0 of 0"
    return f"{count} of {of} ({_percent(interval.low)} to {_percent(interval.high)})"


def _budget(runs: Sequence[Run]) -> str:
    over = [run for run in runs if run.spent.compute > run.budget]
    said = f"Runs that used more than their budget: **{len(over)}** of {len(runs):,}."
    fullest = max(run.spent.compute / run.budget for run in runs)
    named = [f"- {run.id}, {run.strategy} at {run.budget:,}: {run.spent.compute:,}" for run in over]
    return "\n".join([f"{said} The fullest run used {fullest:.1%} of its budget.", *named])


def _stops(table: Sequence[Cell]) -> str:
    rows = (
        (
            f"{cell.budget:,}",
            cell.strategy,
            ", ".join(f"{reason} {count}" for reason, count in cell.stops),
            f"{mean(len(run.candidates) for run in cell.runs):.1f}",
            _percent(mean(run.confidence for run in cell.runs)),
            _percent(cell.accuracy),
        )
        for cell in table
    )
    return _markdown(
        "budget | strategy | runs by reason | candidates, mean | confidence, mean | accuracy",
        "rllrrr",
        rows,
    )


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


def _markdown(head: str, sides: str, rows: Iterable[Sequence[str]]) -> str:
    rule = "|".join("---:" if side == "r" else "---" for side in sides)
    lines = [f"| {head} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"
