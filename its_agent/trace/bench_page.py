"""The page of a benchmark: accuracy against compute, and every problem with every strategy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from its_agent.bench.runs import Run
from its_agent.bench.table import Cell, cells
from its_agent.errors import InvalidInput
from its_agent.trace.document import document

_SCRIPTS = ("kit.js", "plot.js", "problems.js", "bench.js")
Plain = dict[str, Any]


def bench_page(runs: Sequence[Run], *, name: str) -> str:
    """A self-contained HTML page of these runs. Raises InvalidInput where there are none."""
    if not runs:
        raise InvalidInput(f"there are no runs in {name}")
    told = {
        "name": name,
        "cells": [_cell(cell) for cell in cells(runs)],
        "strategies": list(dict.fromkeys(cell.strategy for cell in cells(runs))),
        "runs": [_run(run) for run in runs],
        "models": sorted({run.engine.model for run in runs}),
        "commands": _commands(runs),
    }
    return document(f"its_agent: {name}", told, _SCRIPTS)


def _cell(cell: Cell) -> Plain:
    interval = cell.interval
    return {
        "strategy": cell.strategy,
        "budget": cell.budget,
        "accuracy": cell.accuracy,
        "low": interval.low,
        "high": interval.high,
        "compute": cell.mean_compute,
        "runs": len(cell.runs),
        "orders": cell.orders,
        "stops": [list(stop) for stop in cell.stops],
    }


def _run(run: Run) -> Plain:
    return {
        "id": run.id,
        "strategy": run.strategy,
        "budget": run.budget,
        "order": run.order,
        "correct": run.correct,
        "answer": run.answer,
        "gold": run.gold,
        "confidence": run.confidence,
        "status": run.status,
        "compute": run.spent.compute,
        "seconds": run.seconds,
        "stopped": run.stopped_because,
        "error": run.error,
        "steps": [
            {name: step.get(name) for name in ("path", "arm", "why", "bought", "outcome")}
            for step in run.steps
        ],
        "candidates": [
            {"answer": one.answer, "right": run.holds_right(one), "tokens": one.tokens}
            for one in run.candidates
        ],
    }


def _commands(runs: Iterable[Run]) -> list[str]:
    return list(dict.fromkeys(run.command for run in runs))
