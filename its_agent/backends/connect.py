"""From what a caller names to a backend."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from its_agent.backends.embedded import running_server, start_server
from its_agent.backends.priced import Priced, cost_beside
from its_agent.backends.protocol import Backend, Offer
from its_agent.backends.revival import EmbeddedBackend
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import InvalidOption, NoEngine

BASE_URL_VARIABLE = "ITS_BASE_URL"
API_KEY_VARIABLE = "ITS_API_KEY"
"""The key of the server at that address, or at a command's `--base-url`; others never get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A backend under the name that an agent's caller gave it."""

    name: str
    backend: Backend
    by_size: bool = False
    """Its price is the ratio of parameter counts, as the caller has stated none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A backend that has said what it is, at its price beside the usual one."""

    name: str
    backend: Backend
    offer: Offer


async def meet(backends: Sequence[Named]) -> tuple[Met, ...]:
    """Ask each what it is. Raises BackendUnreachable, UnknownModel, and InvalidOption where the
    price of one can neither be known nor told from its name."""
    usual = await backends[0].backend.offer()
    met = [Met(name=backends[0].name, backend=backends[0].backend, offer=usual)]
    for one in backends[1:]:
        offer, backend = await one.backend.offer(), one.backend
        if one.by_size:
            cost = cost_beside(offer.fingerprint.model, usual.fingerprint.model)
            backend = Priced(backend, cost)
        met.append(Met(name=one.name, backend=backend, offer=offer))
    return tuple(met)


def connect_all(backend: object) -> tuple[Named, ...]:
    """Read what `connect` reads, or a mapping of names to several of them, the usual one first.

    Raises NoEngine and InvalidOption.
    """
    if not isinstance(backend, Mapping):
        return (Named(name="", backend=connect(backend)),)
    given = cast("Mapping[object, object]", backend)
    wrong = [name for name in given if not isinstance(name, str) or not name.strip()]
    if wrong or not given:
        raise InvalidOption(
            "backends must be a mapping of names to base URLs, Backends or chat models, got "
            + (f"the name {wrong[0]!r}" if wrong else "an empty one")
        )
    return tuple(
        Named(name=str(name), backend=connect(one), by_size=isinstance(one, str))
        for name, one in given.items()
    )


def connect(backend: object) -> Backend:
    """Read a base URL, a Backend or a LangChain chat model; None takes ITS_BASE_URL, its key in
    ITS_API_KEY, else a running embedded engine, which is started again once when it dies.

    Starts and downloads nothing by itself. Raises NoEngine, which says how to get one, and
    InvalidOption.
    """
    if isinstance(backend, str):
        return VLLMBackend(backend)
    if isinstance(backend, Backend):
        return backend
    if backend is not None:
        return _of_chat_model(backend)
    address = os.environ.get(BASE_URL_VARIABLE)
    if address:
        return VLLMBackend(address, api_key=os.environ.get(API_KEY_VARIABLE))
    server = running_server()
    if server is None:
        raise NoEngine(
            f"no engine: {BASE_URL_VARIABLE} is not set and no embedded engine runs; start one "
            "with `its-agent model start`, or pass the base URL of your vLLM server as backend"
        )
    return EmbeddedBackend(server, partial(start_server, server.model, keep=True))


def _of_chat_model(value: object) -> Backend:
    # Whoever passes a chat model has paid for this import already.
    from langchain_core.language_models import BaseChatModel

    from its_agent.backends.langchain import LangChainBackend

    if isinstance(value, BaseChatModel):
        return LangChainBackend(value)
    raise InvalidOption(
        "backend must be a base URL, a Backend or a LangChain chat model, got "
        f"{type(value).__name__}: {value!r}"
    )
