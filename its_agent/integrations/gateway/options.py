"""What the operator of a gateway decides."""

from __future__ import annotations

from dataclasses import dataclass, fields

from its_agent.budget import DEFAULT_COMPUTE
from its_agent.errors import InvalidOption
from its_agent.policy import strategy_named


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """Limits and defaults. Raises InvalidOption, or UnknownStrategy."""

    default_budget: int = DEFAULT_COMPUTE
    """Compute units of a request that names no budget."""
    most_compute: int = 32_000
    """Compute units that a request may ask for."""
    strategy: str = "adaptive"
    """Of a request that names none."""
    strategies: tuple[str, ...] = ()
    """Those that a request may name; none given allows all."""
    seconds: float | None = None
    """Longest time of a solve."""
    concurrency: int = 64
    """Solves under way at once; more are turned away."""
    body_bytes: int = 4 << 20
    """Largest body of a request."""
    body_seconds: float = 30.0
    """Longest time that a body may take to arrive."""
    keep_alive: float = 10.0
    """Longest silence of a stream, in seconds."""

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and value <= 0:
                raise InvalidOption(f"{name} must be greater than 0, got {value!r}")
        if self.default_budget > self.most_compute:
            raise InvalidOption(
                f"the default budget ({self.default_budget:,}) is more than a request may ask "
                f"for ({self.most_compute:,}); lower the one or raise the other"
            )
        for name in (self.strategy, *self.strategies):
            strategy_named(name)
        if self.strategies and self.strategy not in self.strategies:
            raise InvalidOption(
                f"the default strategy {self.strategy!r} is not one of those allowed: "
                f"{', '.join(self.strategies)}"
            )
