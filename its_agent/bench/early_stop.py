"""What aborting a wave whose vote is decided saves, and what it costs, on recorded samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from its_agent.agent import Agent
from its_agent.backends.pool import PoolBackend
from its_agent.backends.pool_file import PoolRow
from its_agent.bench.problems import is_right
from its_agent.solution import Solution

CHUNK_TOKENS = 8
"""How often a stop can strike; an engine streams every token."""
BUDGET = 20_000
"""More than a whole wave can cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """All samples of each problem as one wave, with and without the stop, by the same majority
    vote."""

    pool: str
    problems: int
    right_without: int
    right_with: int
    answers_changed: int
    tokens_without: int
    tokens_with: int
    waves_cut_short: int


async def measure_early_stop(pool: Path) -> EarlyStopping:
    """Replay every problem of the pool both ways."""
    rows = PoolBackend(pool).rows
    plain = [await _solved(pool, row, "self_consistency") for row in rows]
    stopped = [await _solved(pool, row, "adaptive_consistency") for row in rows]
    return EarlyStopping(
        pool=pool.name,
        problems=len(rows),
        right_without=sum(map(_right, plain, rows)),
        right_with=sum(map(_right, stopped, rows)),
        answers_changed=sum(a.answer != b.answer for a, b in zip(plain, stopped, strict=True)),
        tokens_without=sum(s.receipt.spent.completion_tokens for s in plain),
        tokens_with=sum(s.receipt.spent.completion_tokens for s in stopped),
        waves_cut_short=sum(any(c.finish == "aborted" for c in s.candidates) for s in stopped),
    )


async def _solved(pool: Path, row: PoolRow, strategy: str) -> Solution:
    backend = PoolBackend(pool, chunk_tokens=CHUNK_TOKENS)
    async with Agent(backend, strategy=strategy) as agent:
        return await agent.asolve(row.problem, max_compute_budget=BUDGET)


def _right(solution: Solution, row: PoolRow) -> bool:
    return is_right(solution.answer, row.answer)


def early_stop_section(seen: EarlyStopping, command: str) -> str:
    """The figures as Markdown."""
    saved = 1 - seen.tokens_with / seen.tokens_without
    return f"""\
## Early stop

Made by

```
{command}
```

on {seen.problems} recorded problems, all samples of a problem as one wave. A sample that still runs
counts as a vote for the runner-up; when the leader stands even so, the rest of the wave is aborted
and charged for what it used, the bound for what an abort leaves unseen included.

| | right | generated tokens |
|---|---:|---:|
| every sample to its end | {seen.right_without} of {seen.problems} | {seen.tokens_without:,} |
| stopped when decided | {seen.right_with} of {seen.problems} | {seen.tokens_with:,} |

{seen.waves_cut_short} waves were cut short, {seen.answers_changed} answers changed, and
{saved:.1%} of the tokens were saved.
"""
