"""What peers' runs come to: what the engine counted, beside what its answers and the peers say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from its_agent.bench.per_problem import average
from its_agent.bench.runs import Run
from its_agent.bench.table import Cell, cells

_HEAD = (
    "| strategy | calls | budget | right | compute, mean | by the engine | claimed "
    "| requests | failed |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)
_NOTE = """\
*Compute* charges a prompt once a run, as its_agent is charged, and every token that the engine
counted as generated; *by the engine* is prompt tokens less prefix-cache hits, and generated
tokens, all as its counters have them; *claimed* is the sum of what the peer itself says. All are
means a problem."""


def peer_section(runs: Sequence[Run], name: str) -> str:
    """The section as Markdown. Raises ZeroDivisionError without runs."""
    table = "\n".join([_HEAD, *map(_row, cells(runs))])
    return "\n\n".join([f"## Peers: {name}", table, _NOTE, *reconciled(runs)]) + "\n"


def reconciled(runs: Iterable[Run]) -> list[str]:
    """For each peer, the generated tokens of all its runs by three accounts, in a sentence."""
    by_peer: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        by_peer.setdefault(run.strategy.partition(":")[0], []).append(run.steps[0])
    return [_accounts(peer, steps) for peer, steps in by_peer.items()]


def _accounts(peer: str, steps: Sequence[Mapping[str, Any]]) -> str:
    counted = sum(step["counted"]["generation_tokens"] for step in steps)
    told = sum(step["told"]["completion"] for step in steps)
    claimed = sum(_claim(step, "completion_tokens") for step in steps)
    untold = sum(step["untold"] for step in steps)
    versions = ", ".join(sorted({step["version"] for step in steps}))
    return (
        f"{peer} {versions}: the engine counted {counted:,} generated tokens, its answers told "
        f"{told:,} ({counted - told:,} fewer; {untold:,} requests ended without an answer), "
        f"the peer claims {claimed:,}."
    )


def _row(cell: Cell) -> str:
    steps = [run.steps[0] for run in cell.runs]
    claims = [_claim(step, "prompt_tokens") + _claim(step, "completion_tokens") for step in steps]
    columns = (
        cell.strategy,
        f"{average(step['calls'] for step in steps):g}",
        f"{cell.budget:,}",
        f"{cell.right} of {len(cell.runs)}",
        f"{cell.mean_compute:,.0f}",
        f"{average(step['engine_compute'] for step in steps):,.0f}",
        f"{average(claims):,.0f}",
        f"{average(step['requests'] for step in steps):.1f}",
        str(sum(run.error is not None for run in cell.runs)),
    )
    return f"| {' | '.join(columns)} |"


def _claim(step: Mapping[str, Any], field: str) -> int:
    claimed: Mapping[str, int] | None = step["claimed"]
    return claimed.get(field, 0) if claimed else 0
