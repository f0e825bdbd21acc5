"""A strategy as a benchmark names it: with its step score, its temperature, or its models."""

from __future__ import annotations

from typing import Any

from its_agent.errors import InvalidOption


def strategy_of(name: str) -> str:
    """The strategy's own name: "beam" of "beam:p_true", "best_of_n" of "best_of_n@0.5", "adaptive"
    of "adaptive/small+large"."""
    return name.partition("/")[0].partition(":")[0].partition("@")[0]


def models_of(name: str) -> tuple[str, ...]:
    """The models that it has, by their names; nothing where it has the first alone."""
    asked = name.partition("/")[2]
    return tuple(asked.split("+")) if asked else ()


def agent_options(name: str) -> dict[str, Any]:
    """What an Agent is made with. Raises InvalidOption for a temperature that is none."""
    rest, _, step_score = name.partition("/")[0].partition(":")
    strategy, _, temperature = rest.partition("@")
    options: dict[str, Any] = {"strategy": strategy}
    if step_score:
        options["step_score"] = step_score
    if temperature:
        options["temperature"] = _number(temperature, name)
    return options


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidOption(
            f"{name!r} names no temperature behind its @; give one such as {name.split('@')[0]}@0.5"
        ) from None
