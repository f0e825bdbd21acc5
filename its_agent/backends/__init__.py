"""Where text comes from: vLLM over HTTP, the embedded server, any LangChain chat model, a script, a
recorded pool, and one that goes wrong on purpose; and who reads it: log-probabilities, labels."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from its_agent.backends.faulty import Fault, FaultyBackend
from its_agent.backends.pool import PoolBackend
from its_agent.backends.pooling import PoolingBackend
from its_agent.backends.protocol import Backend, Delta, Offer, Request, StreamItem, Tokens
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.backends.scripted_reader import ScriptedReader
from its_agent.backends.text_reader import TextRead, TextReader, TextTokens
from its_agent.backends.vllm import VLLMBackend

if TYPE_CHECKING:
    from its_agent.backends.langchain import LangChainBackend

__all__ = [
    "Backend",
    "Delta",
    "Fault",
    "FaultyBackend",
    "LangChainBackend",
    "Offer",
    "PoolBackend",
    "PoolingBackend",
    "Reply",
    "Request",
    "ScriptedBackend",
    "ScriptedReader",
    "StreamItem",
    "TextRead",
    "TextReader",
    "TextTokens",
    "Tokens",
    "VLLMBackend",
]


def __getattr__(name: str) -> object:
    # LangChain's models are slow to import; who does not use them does not wait for them.
    if name == "LangChainBackend":
        return import_module("its_agent.backends.langchain").LangChainBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
