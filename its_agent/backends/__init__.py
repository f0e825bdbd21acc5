"""Where text comes from: vLLM over HTTP, the embedded server, a script, a recorded pool."""

from its_agent.backends.pool import PoolBackend
from its_agent.backends.protocol import Backend, Delta, Offer, Request, StreamItem, Tokens
from its_agent.backends.scripted import Reply, ScriptedBackend
from its_agent.backends.vllm import VLLMBackend

__all__ = [
    "Backend",
    "Delta",
    "Offer",
    "PoolBackend",
    "Reply",
    "Request",
    "ScriptedBackend",
    "StreamItem",
    "Tokens",
    "VLLMBackend",
]
