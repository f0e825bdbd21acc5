"""What ChatITS is made with: its own options, those of the Agent in it, and what answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from its_agent.backends.connect import connect
from its_agent.backends.protocol import Backend
from its_agent.backends.sampling import checked_sampling
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import InvalidOption

AGENT_OPTIONS: Mapping[str, str] = {
    "calibrated_profile": "profile",
    "estimate": "estimate",
    "exemplars": "exemplars",
    "on_event": "on_event",
    "prices": "prices",
    "step_score": "step_score",
    "steps": "steps",
    "thinking": "thinking",
    "verifiers": "verifiers",
}
"""Options that the Agent has too, by the names that it has for them."""
RETRIES = 2


def checked_options(
    options: Mapping[str, Any], fields: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the options into those of the chat model and those of its Agent. Raises InvalidOption
    for one that neither has."""
    own = {name: value for name, value in options.items() if name in fields}
    agent = {AGENT_OPTIONS[name]: value for name, value in options.items() if name in AGENT_OPTIONS}
    unknown = sorted(set(options) - fields - set(AGENT_OPTIONS))
    if unknown:
        known = ", ".join(sorted({*fields, *AGENT_OPTIONS}))
        raise InvalidOption(f"ChatITS has no option {unknown[0]!r}; known: {known}")
    if own.get("max_retries") not in (None, RETRIES):
        raise InvalidOption(
            f"max_retries must be {RETRIES}, got {own['max_retries']!r}: what fails is tried again "
            "by one rule, inside the budget"
        )
    checked_sampling(own.get("sampling"))
    known_by_field = own.pop("agent_options", {})
    return {name: value for name, value in own.items() if value is not None}, {
        **known_by_field,
        **agent,
    }


def connected(backend: object, model: str | None, api_key: SecretStr | None) -> Backend:
    """What answers. Raises InvalidOption, or NoEngine."""
    if isinstance(backend, str):
        key = api_key.get_secret_value() if api_key else None
        return VLLMBackend(backend, model, api_key=key)
    if model is not None or api_key is not None:
        raise InvalidOption(
            "model and api_key go with a base URL as the backend; "
            f"{backend!r} has a model and a key of its own"
        )
    return connect(backend)
