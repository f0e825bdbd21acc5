"""Checks that need no engine, made before one is started."""

from __future__ import annotations

from collections.abc import Iterable

from its_agent.errors import InvalidOption


def check_strategies(names: Iterable[str]) -> None:
    """Raise UnknownStrategy for a name that is none."""
    from its_agent.policy import strategy_named

    for name in names:
        strategy_named(name)


def listed(text: str, *, option: str) -> list[str]:
    """Split a comma-separated option. Raises InvalidOption when it is empty or repeats itself."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items or len(set(items)) < len(items):
        raise InvalidOption(
            f"{option} takes different values with commas between them, got {text!r}"
        )
    return items


def named_models(text: str | None) -> dict[str, str]:
    """Split NAME=MODEL,NAME=MODEL; nothing for None. Raises InvalidOption."""
    if text is None:
        return {}
    pairs = [item.partition("=")[::2] for item in listed(text, option="--models")]
    named = {name.strip(): model.strip() for name, model in pairs}
    if len(named) < len(pairs) or not all(name and model for name, model in named.items()):
        raise InvalidOption(
            f"--models takes NAME=MODEL with commas between them, different names, got {text!r}"
        )
    return named


def whole_numbers(text: str, *, option: str) -> list[int]:
    """Split a comma-separated option of whole numbers above 0. Raises InvalidOption."""
    try:
        numbers = [int(item) for item in listed(text, option=option)]
    except ValueError as error:
        raise InvalidOption(
            f"{option} takes whole numbers with commas between them, such as 500,1500, got {text!r}"
        ) from error
    if min(numbers) < 1:
        raise InvalidOption(f"{option} takes numbers of 1 or more, got {text!r}")
    return numbers
