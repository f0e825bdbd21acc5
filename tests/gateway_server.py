"""A gateway on the loopback address, in a thread of its own, for clients that block."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import fake_vllm
from anyio.from_thread import start_blocking_portal

from its_agent.agent import Agent
from its_agent.backends.protocol import Backend
from its_agent.integrations.gateway import GatewayOptions, Key, gateway, listening
from its_agent.integrations.gateway.port import LOOPBACK_NAMES

T = TypeVar("T")


@contextmanager
def gateway_at(
    backend: Backend | str,
    options: GatewayOptions | None = None,
    *,
    keys: Sequence[Key] = (),
    **settings: Any,
) -> Generator[str]:
    """The base URL of a gateway whose agent has this backend and these settings."""

    @asynccontextmanager
    async def serving() -> AsyncGenerator[str]:
        hosts = () if keys else LOOPBACK_NAMES
        app = gateway(Agent(backend, **settings), options, keys=keys, hosts=hosts)
        async with listening(app, host="127.0.0.1", port=0) as here:
            yield here.base_url

    with in_a_thread(serving()) as url:
        yield url


@contextmanager
def engine_at(server: fake_vllm.Server) -> Generator[str]:
    """The base URL of a scripted engine."""
    with in_a_thread(fake_vllm.listening(server)) as url:
        yield url


@contextmanager
def in_a_thread(context: AbstractAsyncContextManager[T]) -> Generator[T]:
    """Hold an asynchronous context in an event loop of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(context) as value:
        yield value
