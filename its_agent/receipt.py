"""The receipt of a solve: what was spent, on what, why, and why it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from its_agent.budget import Budget, Usage

StopReason = Literal[
    "confident", "no_gain", "complete", "budget", "deadline", "cancelled", "backend_lost"
]


class Step(NamedTuple):
    """One purchase: the path and arm it went to, why, and what came of it. Of several models the
    arm names the one that was asked, as in "large/step_by_step"."""

    path: str
    arm: str
    why: str
    bought: str
    spent: Usage
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What answered, precisely enough to ask again; None where the engine does not tell."""

    model: str
    backend: str
    engine: str | None = None
    """Engine and version, such as "vllm 0.32.0"."""
    context_length: int | None = None
    dtype: str | None = None
    system_fingerprint: str | None = None
    """What the engine itself stamps on its answers."""
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Sampling settings shared by all requests; each step names its own temperature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Everything one solve used; `by_purpose` adds up to `spent` exactly."""

    budget: Budget
    spent: Usage
    by_purpose: Mapping[str, Usage]
    steps: tuple[Step, ...]
    stopped_because: StopReason
    engine: Fingerprint
    """Of the usual model."""
    elapsed_seconds: float
    """Wall-clock time of the solve."""
    engine_prompt_tokens: int = 0
    """Prompt tokens as the engine's own counter adds them up: once for every sample."""
    unseen_tokens: int = 0
    """Part of the generated tokens: a bound for what the engine may have made of aborted or lost
    samples after the last piece that arrived."""
    estimated_tokens: int = 0
    """Part of the tokens: upper estimates, where the engine told no count."""
    retries: int = 0
    """Requests that were made again after a failure; they are among the requests."""
    truncated: int = 0
    """Samples cut off by their `max_tokens`, which never vote."""
    explored_nodes: int = 0
    """Partial solutions that a search looked at."""
    notes: tuple[str, ...] = ()
    """What went wrong or is only known within bounds."""
    engines: Mapping[str, Fingerprint] = field(default_factory=dict[str, Fingerprint])
    """Of all models, by name, where the agent has several."""
    run_id: str = ""
    """Names the solve in its events, log lines and traces."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `json.dumps` takes."""
        plain = asdict(self)
        plain["steps"] = [{**s._asdict(), "spent": asdict(s.spent)} for s in self.steps]
        return plain

    def to_json(self) -> str:
        """Return the receipt as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def __str__(self) -> str:
        head = f"{self.spent.compute:,} compute units of {_limits(self.budget)}"
        lines = [
            f"spent      {head}, {self.elapsed_seconds:.1f} s, "
            f"stopped because: {self.stopped_because}",
            f"engine     {_engine(self.engine)}",
            "",
            *_table(self._usage_rows()),
            "",
            *_table(self._step_rows()),
        ]
        lines += [f"cut off    {self.truncated} samples by max_tokens"] if self.truncated else []
        lines += [f"retries    {self.retries}"] if self.retries else []
        if self.unseen_tokens:
            lines.append(f"bound      {self.unseen_tokens} tokens for what an abort left unseen")
        if self.estimated_tokens:
            lines.append(f"estimated  {self.estimated_tokens} tokens, as the engine told no count")
        lines += [f"note       {note}" for note in self.notes]
        return "\n".join(lines)

    def _usage_rows(self) -> list[tuple[str, ...]]:
        header = ("purpose", "requests", "prompt", "cached", "generated", "compute")
        rows = [(name, *usage_cells(usage)) for name, usage in self.by_purpose.items()]
        return [header, *rows, ("total", *usage_cells(self.spent))]

    def _step_rows(self) -> list[tuple[str, ...]]:
        header = ("step", "bought", "compute", "outcome", "why")
        return [
            header,
            *(
                (f"{s.path}/{s.arm}", s.bought, f"{s.spent.compute:,}", s.outcome, s.why)
                for s in self.steps
            ),
        ]


def usage_cells(usage: Usage) -> tuple[str, ...]:
    """Requests, prompt, cached and generated tokens, and compute, as tables show them."""
    counts = (
        usage.requests,
        usage.prompt_tokens,
        usage.cached_prompt_tokens,
        usage.completion_tokens,
        usage.compute,
    )
    return tuple(f"{count:,}" for count in counts)


def _limits(budget: Budget) -> str:
    named = {"compute": "", "requests": " requests", "seconds": " s", "usd": " USD"}
    limits = ((getattr(budget, name), unit) for name, unit in named.items())
    return ", ".join(f"{value:,}{unit}" for value, unit in limits if value is not None)


def _engine(engine: Fingerprint) -> str:
    parts = (engine.model, engine.engine or engine.backend, engine.dtype)
    return ", ".join(part for part in parts if part)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
