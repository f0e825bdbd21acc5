"""What may be used and what was used: immutable limits, and usage that adds up.

One compute unit is one token pushed through the model, generated or read; prompt tokens served
from the prefix cache cost nothing, and a token of another model costs its `relative_cost`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from its_agent.errors import InvalidBudget

DEFAULT_COMPUTE = 4_000
"""Compute units that a solve may use when the caller names no budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one solve; None leaves a resource unlimited, at least one must be set."""

    compute: int | None = None
    """Compute units: tokens read (uncached) and generated, times the model's relative cost."""
    requests: int | None = None
    """Requests sent to an engine."""
    seconds: float | None = None
    """Wall-clock seconds from the start of the solve."""
    usd: float | None = None
    """Dollars, by the `Prices` of the agent."""

    def __post_init__(self) -> None:
        limits = {f.name: getattr(self, f.name) for f in fields(self)}
        if all(value is None for value in limits.values()):
            raise InvalidBudget(
                "the budget limits nothing; set at least one of compute, requests, seconds, usd"
            )
        for name, value in limits.items():
            _check_limit(name, value)

    @classmethod
    def of(cls, value: int | Budget) -> Budget:
        """Read `max_compute_budget`: a Budget, or an int of compute units.

        Raises InvalidBudget for anything else, and for amounts of 0 or less.
        """
        return value if isinstance(value, Budget) else cls(compute=value)


def _check_limit(name: str, value: object) -> None:
    if value is None:
        return
    whole = name in ("compute", "requests")
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number:
        kind = "a whole number" if whole else "a number"
        raise InvalidBudget(f"{name} budget must be {kind}, got {value!r}")
    assert isinstance(value, (int, float))
    if not (math.isfinite(value) and value > 0):
        raise InvalidBudget(f"{name} budget must be greater than 0, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used. Adds up; `seconds` are those of the requests, which may overlap."""

    prompt_tokens: int = 0
    """Tokens read, each prompt once a request whatever its number of samples."""
    cached_prompt_tokens: int = 0
    """Those of them known to come from the prefix cache."""
    completion_tokens: int = 0
    requests: int = 0
    seconds: float = 0.0
    compute: int = 0

    # Spelled out, since a solve adds up usage some fifty times.

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_prompt_tokens=self.cached_prompt_tokens + other.cached_prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            requests=self.requests + other.requests,
            seconds=self.seconds + other.seconds,
            compute=self.compute + other.compute,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens - other.prompt_tokens,
            cached_prompt_tokens=self.cached_prompt_tokens - other.cached_prompt_tokens,
            completion_tokens=self.completion_tokens - other.completion_tokens,
            requests=self.requests - other.requests,
            seconds=self.seconds - other.seconds,
            compute=self.compute - other.compute,
        )


def compute_units(*, prompt: int, cached: int, completion: int, relative_cost: float = 1.0) -> int:
    """Price tokens in compute units, rounded up."""
    return math.ceil((prompt - cached + completion) * relative_cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars per million tokens."""

    prompt: float
    completion: float
    cached_prompt: float = 0.0

    def usd(self, usage: Usage) -> float:
        """Price a usage in dollars."""
        fresh = usage.prompt_tokens - usage.cached_prompt_tokens
        total = (
            fresh * self.prompt
            + usage.cached_prompt_tokens * self.cached_prompt
            + usage.completion_tokens * self.completion
        )
        return total / 1e6
