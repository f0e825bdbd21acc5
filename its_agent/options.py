"""What a caller may say to an agent, checked before anything is spent. All raise InvalidOption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from its_agent.difficulty import SOURCES
from its_agent.difficulty.profile import Profile, load_profile
from its_agent.errors import InvalidOption
from its_agent.policy import Strategy
from its_agent.solution import Exemplar, flaw_of
from its_agent.verifiers import Sandbox, Scorer
from its_agent.verifiers.programs import LIMITS
from its_agent.within import within

ProfileLike: TypeAlias = Profile | str | Path


def profiles(
    given: ProfileLike | Mapping[str, ProfileLike] | None, names: Sequence[str]
) -> dict[str, Profile]:
    """By the backend's name; a lone profile is the usual model's."""
    if given is None:
        return {}
    by_name = given if isinstance(given, Mapping) else {names[0]: given}
    unknown = sorted(set(by_name) - set(names))
    if unknown:
        raise InvalidOption(
            f"a profile for {unknown[0]!r}, but the backends are {', '.join(map(repr, names))}"
        )
    return {
        name: one if isinstance(one, Profile) else load_profile(one)
        for name, one in by_name.items()
    }


def checked_exemplars(given: Sequence[Exemplar]) -> tuple[Exemplar, ...]:
    """Pairs of a question and its answer."""
    flaw = flaw_of(given)
    if flaw is not None:
        raise InvalidOption(flaw)
    return tuple(given)


def thinking_tokens(thinking: bool | int | None) -> int | None:
    """Most tokens of thinking; None for no limit."""
    if thinking is None or isinstance(thinking, bool):
        return None
    return int(within("thinking", thinking, 1, 1 << 20))


def sources(names: Iterable[str]) -> frozenset[str]:
    """Sources of difficulty."""
    chosen = frozenset(names)
    unknown = sorted(chosen - set(SOURCES))
    if unknown:
        raise InvalidOption(
            f"unknown source of difficulty {unknown[0]!r}; known: {', '.join(SOURCES)}"
        )
    return chosen


def sampling(
    max_tokens: int | None, temperature: float | None, top_p: float | None
) -> dict[str, Any]:
    """The settings of samples that are given."""
    told: dict[str, Any] = {}
    if max_tokens is not None:
        told["max_tokens"] = int(within("max_tokens", max_tokens, 1, 1 << 20))
    if temperature is not None:
        told["temperature"] = within("temperature", temperature, 0.0, 2.0)
    if top_p is not None:
        told["top_p"] = within("top_p", top_p, 0.01, 1.0)
    return told


def brought_by(strategy: Strategy, own: tuple[Scorer, ...]) -> dict[str, Any]:
    """What judges and runs the samples of a strategy. Raises MissingExtra."""
    return {
        "scorers": own or tuple(make() for make in strategy.scorers),
        "sandbox": Sandbox(LIMITS) if strategy.runs_programs else None,
    }
