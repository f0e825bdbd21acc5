"""Calls that no stream shows: what hosts stream is heard through callbacks that tap outputs."""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config


def unheard() -> Context:
    """A copy of this context in which runs are traced and counted as ever, but not streamed."""
    context = copy_context()
    config = context.run(var_child_runnable_config.get)
    if config is not None:
        context.run(var_child_runnable_config.set, _without_streams(config))
    return context


def _without_streams(config: RunnableConfig) -> RunnableConfig:
    callbacks = config.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        manager = callbacks.copy()
        for handler in [one for one in manager.handlers if _taps(one)]:
            manager.remove_handler(handler)
        return {**config, "callbacks": manager}
    if callbacks:
        return {**config, "callbacks": [one for one in callbacks if not _taps(one)]}
    return config


def _taps(handler: Any) -> bool:
    """Whether it is a stream of its host: those, and only they, tap what runs put out."""
    return callable(getattr(handler, "tap_output_aiter", None))
