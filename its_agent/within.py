"""The bounds of a numeric option."""

from __future__ import annotations

from its_agent.errors import InvalidOption


def within(name: str, value: float, low: float, high: float) -> float:
    """Return the value. Raises InvalidOption, which names the option, for one out of bounds."""
    if isinstance(value, bool) or not low <= value <= high:
        raise InvalidOption(f"{name} must be from {low:g} to {high:g}, got {value!r}")
    return value
