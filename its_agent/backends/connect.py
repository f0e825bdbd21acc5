"""From what a caller names to a backend."""

from __future__ import annotations

import os

from its_agent.backends.embedded import running_server
from its_agent.backends.protocol import Backend
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import InvalidOption, NoEngine

BASE_URL_VARIABLE = "ITS_BASE_URL"


def connect(backend: object) -> Backend:
    """Read a base URL, a Backend or a LangChain chat model; None takes ITS_BASE_URL, else a running
    embedded engine.

    Starts and downloads nothing. Raises NoEngine, which says how to get one, and InvalidOption.
    """
    if isinstance(backend, str):
        return VLLMBackend(backend)
    if isinstance(backend, Backend):
        return backend
    if backend is not None:
        return _of_chat_model(backend)
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
