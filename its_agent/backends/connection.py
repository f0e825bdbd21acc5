"""The HTTP connection to one server: opened in the loop that uses it, closed at once."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import aiohttp

from its_agent.backends.endpoint import Endpoint, retry_after
from its_agent.backends.sse import EventDecoder, NotAnEventStream
from its_agent.errors import InvalidOption
from its_agent.timers import TimeLimit, outside_of_graphs

CONNECT_SECONDS = 10.0
LINGER_SECONDS = 1.0
"""How long the end of the connection is waited for once the answer is whole."""
_KEEP_ALIVE_SECONDS = 4.0  # vLLM hangs up idle connections after 5; ours must be the first.

Refuse: TypeAlias = Callable[[int, str, float | None], Awaitable[None]]
"""Raises the error for an answer with this status, body, and seconds to wait."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one event loop."""

    client: aiohttp.ClientSession
    slots: asyncio.Semaphore
    """For streams, which last."""
    calls: asyncio.Semaphore
    """For everything else, which never waits behind a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole answer."""

    status: int
    text: str

    @property
    def is_success(self) -> bool:
        """Whether the server says that all is well."""
        return 200 <= self.status < 300


class Connection:
    """Sends requests without retries; at most `max_concurrency` streams are open at once.

    `timeout` is the longest silence in seconds. Every failure is a BackendError. Through aiohttp,
    which takes less of the processor than httpx (`its-agent bench speed` has both).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: Mapping[str, str],
        timeout: float,
        max_concurrency: int,
    ) -> None:
        self._endpoint = endpoint
        self._root = str(endpoint.root).rstrip("/")
        self._headers = dict(headers)
        self._timeout = timeout
        self._max_concurrency = max_concurrency
        # Connections belong to the event loop that opened them.
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Session] = WeakKeyDictionary()

    async def get(self, path: str) -> Page:
        """Fetch a page whatever its status."""
        session = self._open()
        async with session.calls, self._sent(session, "GET", path) as response:
            return Page(status=response.status, text=await _text(response))

    async def post(self, path: str, body: Mapping[str, Any], *, refuse: Refuse) -> str:
        """Return the answer's text."""
        session = self._open()
        async with session.calls, self._sent(session, "POST", path, encoded(body)) as response:
            await _accepted(response, refuse)
            return await _text(response)

    async def events(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        refuse: Refuse,
        is_whole: Callable[[], bool] = lambda: False,
    ) -> AsyncGenerator[str, None]:
        """Stream the data of the answer's events; closing this closes the connection. Once the
        answer `is_whole` nothing more is told."""
        session = self._open()
        decoder = EventDecoder()
        async with session.slots, self._sent(session, "POST", path, encoded(body)) as response:
            await _accepted(response, refuse)
            try:
                async for piece in response.content.iter_any():
                    for event in decoder.feed(piece):
                        yield event
                        if is_whole():
                            await _ended(response)
                            return
                for event in decoder.end():
                    yield event
            except NotAnEventStream as error:
                raise self._endpoint.garbled("a stream of events", error.line) from error

    async def aclose(self) -> None:
        """Let go of this event loop's connections; a later call opens new ones."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.client.close()

    @asynccontextmanager
    async def _sent(
        self, session: _Session, method: str, path: str, content: bytes | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Leaving before the answer's end closes the connection, which aborts the work."""
        request = session.client.request(
            method, self._root + path, data=content, allow_redirects=False
        )
        with self._endpoint.translating():
            with outside_of_graphs():
                response = await request
            async with response:
                yield response

    def _open(self) -> _Session:
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            self._sessions[loop] = _Session(
                client=self._client(),
                slots=asyncio.Semaphore(self._max_concurrency),
                calls=asyncio.Semaphore(self._max_concurrency),
            )
        return self._sessions[loop]

    def _client(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=self._timeout),
            trust_env=not self._endpoint.is_local,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


async def _accepted(response: aiohttp.ClientResponse, refuse: Refuse) -> None:
    """Raise what `refuse` makes of an answer that is not one of success."""
    if not 200 <= response.status < 300:
        wait = retry_after(response.headers.get("retry-after"))
        await refuse(response.status, await _text(response), wait)


async def _ended(response: aiohttp.ClientResponse) -> None:
    """Wait for the end of an answer, so that its connection can be used again; a server that keeps
    it open is left."""
    if not response.content.is_eof():
        with suppress(TimeoutError):
            async with TimeLimit(LINGER_SECONDS):
                await response.read()


async def _text(response: aiohttp.ClientResponse) -> str:
    return (await response.read()).decode(errors="replace")


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


def check_positive(**options: float) -> None:
    """Raise InvalidOption for an option that is not a number greater than 0."""
    for name, value in options.items():
        if not (math.isfinite(value) and value > 0):
            raise InvalidOption(f"{name} must be greater than 0, got {value!r}")
