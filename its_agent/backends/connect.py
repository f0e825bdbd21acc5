"""From what a caller names to a backend."""

from __future__ import annotations

import os

from its_agent.backends.embedded import running_server
from its_agent.backends.protocol import Backend
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import InvalidOption, NoEngine

BASE_URL_VARIABLE = "ITS_BASE_URL"


def connect(backend: object) -> Backend:
    """Read a base URL or a Backend; None takes ITS_BASE_URL, else a running embedded engine.

    Starts and downloads nothing. Raises NoEngine, which says how to get one, and InvalidOption.
    """
    if isinstance(backend, str):
        return VLLMBackend(backend)
    if isinstance(backend, Backend):
        return backend
    if backend is not None:
        raise InvalidOption(
            f"backend must be a base URL or a Backend, got {type(backend).__name__}: {backend!r}"
        )
    address = os.environ.get(BASE_URL_VARIABLE)
    if address:
        return VLLMBackend(address)
    server = running_server()
    if server is None:
        raise NoEngine(
            f"no engine: {BASE_URL_VARIABLE} is not set and no embedded engine runs; start one "
            "with `its-agent model start`, or pass the base URL of your vLLM server as backend"
        )
    return VLLMBackend(server.base_url, server.model, dtype=server.dtype)
