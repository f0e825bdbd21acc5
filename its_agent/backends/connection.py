"""The HTTP connection to one server: opened in the loop that uses it, closed at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import httpx

from its_agent.backends.endpoint import Endpoint, retry_after
from its_agent.backends.sse import EventDecoder, NotAnEventStream
from its_agent.errors import InvalidOption

CONNECT_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 4.0  # vLLM hangs up idle connections after 5; ours must be the first.

Refuse: TypeAlias = Callable[[int, str, float | None], Awaitable[None]]
"""Raises the error for an answer with this status, body, and seconds to wait."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one event loop."""

    client: httpx.AsyncClient
    slots: asyncio.Semaphore
    """For streams, which last."""
    calls: asyncio.Semaphore
    """For everything else, which never waits behind a stream."""


class Connection:
    """Sends requests without retries; at most `max_concurrency` streams are open at once.

    `timeout` is the longest silence in seconds. Every failure is a BackendError.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: Mapping[str, str],
        timeout: float,
        max_concurrency: int,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._endpoint = endpoint
        self._headers = dict(headers)
        self._timeout = timeout
        self._max_concurrency = max_concurrency
        self._transport = transport
        # Connections belong to the event loop that opened them.
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Session] = WeakKeyDictionary()

    async def get(self, path: str) -> httpx.Response:
        """Fetch a page whatever its status."""
        session = self._open()
        async with session.calls:
            with self._endpoint.translating():
                return await session.client.get(path)

    async def post(self, path: str, body: Mapping[str, Any], *, refuse: Refuse) -> str:
        """Return the answer's text."""
        session = self._open()
        async with session.calls, self._posted(session.client, path, body, refuse) as response:
            return (await response.aread()).decode(errors="replace")

    async def events(
        self, path: str, body: Mapping[str, Any], *, refuse: Refuse
    ) -> AsyncGenerator[str, None]:
        """Stream the data of the answer's events; closing this closes the connection."""
        session = self._open()
        async with (
            session.slots,
            self._posted(session.client, path, body, refuse) as response,
            aclosing(self._decoded(response)) as events,
        ):
            async for event in events:
                yield event

    async def aclose(self) -> None:
        """Let go of this event loop's connections; a later call opens new ones."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.client.aclose()

    @asynccontextmanager
    async def _posted(
        self, client: httpx.AsyncClient, path: str, body: Mapping[str, Any], refuse: Refuse
    ) -> AsyncGenerator[httpx.Response, None]:
        content = encoded(body)
        with self._endpoint.translating():
            async with client.stream("POST", path, content=content) as response:
                if not response.is_success:
                    said = (await response.aread()).decode(errors="replace")
                    wait = retry_after(response.headers.get("retry-after"))
                    await refuse(response.status_code, said, wait)
                yield response

    async def _decoded(self, response: httpx.Response) -> AsyncGenerator[str, None]:
        decoder = EventDecoder()
        try:
            async for piece in response.aiter_bytes():
                for event in decoder.feed(piece):
                    yield event
            for event in decoder.end():
                yield event
        except NotAnEventStream as error:
            raise self._endpoint.garbled("a stream of events", error.line) from error

    def _open(self) -> _Session:
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            self._sessions[loop] = _Session(
                client=self._client(),
                slots=asyncio.Semaphore(self._max_concurrency),
                calls=asyncio.Semaphore(self._max_concurrency),
            )
        return self._sessions[loop]

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._endpoint.root,
            headers=self._headers,
            timeout=httpx.Timeout(self._timeout, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=self._max_concurrency,
                keepalive_expiry=_KEEP_ALIVE_SECONDS,
            ),
            trust_env=not self._endpoint.is_local,
            transport=self._transport,
        )


def encoded(body: Mapping[str, Any]) -> bytes:
    """JSON in a fixed key order. Raises InvalidOption for what JSON cannot hold."""
    try:
        return json.dumps(body, sort_keys=True).encode()
    except (TypeError, ValueError) as error:
        raise InvalidOption(
            f"the request holds something that is not JSON ({error}); "
            "look at the messages, the schema and the sampling settings"
        ) from error


def checked_headers(headers: Mapping[str, str] | None, api_key: str | None) -> dict[str, str]:
    """Add the key and the content type. Raises InvalidOption, which never quotes a value: it may
    be a secret."""
    auth = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    merged = {**(headers or {}), **auth}
    for name, value in merged.items():
        if not (value.isascii() and value.isprintable()):
            raise InvalidOption(f"the header {name!r} must be printable ASCII on one line")
    return {"Content-Type": "application/json", "Accept-Encoding": "identity", **merged}
