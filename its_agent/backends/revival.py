"""An engine of this machine as a backend: when it dies it is started again, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace

from its_agent.backends.embedded import EmbeddedServer
from its_agent.backends.protocol import Offer, PromptBound, Request, StreamItem
from its_agent.backends.readiness import alive, answers
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import BackendLost, ItsAgentError

DYING_SECONDS = 15.0
"""How long an engine that does not answer may take to end or to recover."""
_TICK_SECONDS = 0.2


class EmbeddedBackend:
    """Samples from an embedded engine, and starts it again when it dies.

    `start` makes another engine like it; it is called in a thread, at most `restarts` times. What
    was started here is ended by `aclose`; the first engine stays its owner's. One event loop owns
    it.
    """

    def __init__(
        self, server: EmbeddedServer, start: Callable[[], EmbeddedServer], *, restarts: int = 1
    ) -> None:
        self._server = server
        self._start = start
        self._restarts_left = restarts
        self._inner = _backend_of(server)
        self._reviving = asyncio.Lock()
        self._starting: asyncio.Future[EmbeddedServer] | None = None

    @property
    def relative_cost(self) -> float:
        """Compute units that one token of this model costs."""
        return self._inner.relative_cost

    async def offer(self) -> Offer:
        """Say what answers here."""
        told = await self._inner.offer()
        return replace(told, fingerprint=replace(told.fingerprint, backend="embedded"))

    async def count_prompt(self, request: Request) -> int:
        """Count the request's prompt tokens."""
        return await self._inner.count_prompt(request)

    def prompt_bound(self, request: Request) -> PromptBound | None:
        """Tell what is known of the prompt's length; nothing right after a new start."""
        return self._inner.prompt_bound(request)

    async def count_text(self, text: str) -> int | None:
        """Count a text's tokens."""
        return await self._inner.count_text(text)

    async def supply(self, request: Request) -> int | None:
        """An engine has no end of samples."""
        return None

    async def stream(self, request: Request) -> AsyncGenerator[StreamItem, None]:
        """Generate; see VLLMBackend."""
        async with aclosing(self._inner.stream(request)) as items:
            async for item in items:
                yield item

    async def revive(self) -> bool:
        """Start the engine again if it is dead; True where another one answers now.

        Raises BackendLost where it cannot be started.
        """
        failed = self._inner
        async with self._reviving:
            if self._inner is not failed:
                return True
            if self._restarts_left == 0 or not await self._is_dead():
                return False
            if self._starting is None:
                self._starting = asyncio.ensure_future(asyncio.to_thread(self._start))
            # Whoever waits may be cancelled; the engine that is being started is not.
            try:
                server = await asyncio.shield(self._starting)
            except ItsAgentError as error:
                raise BackendLost(f"the engine died and could not be restarted: {error}") from error
            self._restarts_left -= 1
            await self._inner.aclose()
            self._server, self._inner = server, _backend_of(server)
            return True

    async def aclose(self) -> None:
        """Let go of connections, and end what was started here."""
        await self._inner.aclose()
        if self._starting is not None:
            started, self._starting = self._starting, None
            with suppress(ItsAgentError):
                server = await started
                await asyncio.to_thread(server.close)

    async def _is_dead(self) -> bool:
        """Whether the engine has ended; one that does not answer is given time for either."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DYING_SECONDS
        while alive(self._server.engine_pid):
            if await asyncio.to_thread(answers, self._server.base_url):
                return False
            if loop.time() > until:
                await asyncio.to_thread(self._server.close)
                return True
            await asyncio.sleep(_TICK_SECONDS)
        return True


def _backend_of(server: EmbeddedServer) -> VLLMBackend:
    return VLLMBackend(server.base_url, server.model, dtype=server.dtype)
