"""The address of an OpenAI-compatible server, and its failures in words a caller can act on."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp
import httpx
from pydantic import BaseModel, ValidationError

from its_agent.backends.wire import DetailBody, ErrorBody
from its_agent.errors import (
    BackendError,
    BackendGarbled,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    InvalidOption,
    ItsAgentError,
    PromptTooLong,
)

_Model = TypeVar("_Model", bound=BaseModel)
_EXCERPT = 200
_LAST_PORT = 65_535
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TOO_LONG = re.compile(r"context length|context window|max_model_len", re.IGNORECASE)


class Endpoint:
    """Where a server is; given with or without `/v1`. Raises InvalidOption for a bad address.

    `secret` is blotted out of everything that the server says.
    """

    def __init__(self, base_url: str, *, secret: str | None = None) -> None:
        self.root = _parse(base_url)
        self.shown = str(self.root.copy_with(userinfo=b"")).rstrip("/")
        self._secret = secret

    @property
    def is_local(self) -> bool:
        """It is on this machine, where no proxy is asked."""
        return self.root.host in _LOOPBACK

    def quote(self, text: str) -> str:
        """An excerpt of at most 200 characters of what the server said, on one line."""
        flat = " ".join(text.split())
        flat = flat.replace(self._secret, "***") if self._secret else flat
        return flat if len(flat) <= _EXCERPT else f"{flat[:_EXCERPT]}…"

    def garbled(self, expected: str, text: str) -> BackendGarbled:
        """The error for an answer that is not what the protocol says."""
        got = f"got: {self.quote(text)}" if text.strip() else "got nothing"
        return BackendGarbled(
            f"{self.shown} did not send {expected}; {got}. "
            "Check that the base URL is that of an OpenAI-compatible server"
        )

    def read(self, shape: type[_Model], text: str, *, what: str) -> _Model:
        """Read the server's JSON. Raises BackendGarbled."""
        try:
            return shape.model_validate_json(text)
        except ValidationError as error:
            raise self.garbled(what, text) from error

    def lost(self, why: str) -> BackendLost:
        """The error for a server that went away while it answered."""
        return BackendLost(f"{self.shown} went away in the middle of an answer: {why}")

    def refusal(self, status: int, body: str, *, retry_after: float | None = None) -> ItsAgentError:
        """The error for an error status: PromptTooLong where it is about the context."""
        said = self.quote(_message(body)) or "nothing more"
        if status == 400 and _TOO_LONG.search(said):
            return PromptTooLong(
                f"{self.shown} refused the prompt: {said} "
                "Shorten the problem, or serve the model with a larger --max-model-len"
            )
        return BackendRefused(
            f"{self.shown} answered with status {status}: {said}{_advice(status)}",
            status=status,
            retry_after=retry_after,
        )

    @contextmanager
    def translating(self) -> Generator[None]:
        """Turn aiohttp's errors into BackendErrors, the cause kept."""
        try:
            yield
        except aiohttp.ClientError as error:
            raise self._translated(error) from error

    def _translated(self, error: aiohttp.ClientError) -> BackendError:
        why = self.quote(str(error)) or type(error).__name__
        match error:
            case (
                aiohttp.ClientConnectorError()
                | aiohttp.ConnectionTimeoutError()
                | aiohttp.ClientHttpProxyError()
            ):
                return BackendUnreachable(
                    f"nothing answers at {self.shown} ({why}); start an engine with "
                    "`its-agent model start`, or check ITS_BASE_URL or --base-url"
                )
            case aiohttp.ServerTimeoutError():
                return self.lost(f"it was silent for longer than `timeout` allows ({why})")
            case aiohttp.ClientResponseError():
                return self.garbled("HTTP", error.message)
            case _:
                return self.lost(why)


def retry_after(header: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date, as seconds from now."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(at.tzinfo)).total_seconds())


def _parse(base_url: str) -> httpx.URL:
    given = re.sub(r"//[^/@]*@", "//", str(base_url))
    allowed = "give it as http://HOST:PORT or https://HOST:PORT, with or without /v1"
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as error:
        raise InvalidOption(f"{given!r} is no base URL ({error}); {allowed}") from error
    whole = url.scheme in ("http", "https") and url.host and (url.port or 80) <= _LAST_PORT
    if not whole or url.query or url.fragment:
        raise InvalidOption(f"{given!r} is no base URL; {allowed}")
    return url.copy_with(path=url.path.rstrip("/").removesuffix("/v1").rstrip("/") or "/")


def _message(body: str) -> str:
    try:
        return ErrorBody.model_validate_json(body).error.message
    except ValidationError:
        pass
    try:
        return DetailBody.model_validate_json(body).detail
    except ValidationError:
        return body


def _advice(status: int) -> str:
    match status:
        case 401 | 403:
            return ". Check api_key"
        case 404:
            return ". Check that the base URL is that of an OpenAI-compatible server"
        case 429 | 503:
            return ". The server is busy: lower max_concurrency, or try again later"
        case _:
            return ""
