"""What a peer asks of the engine, seen on the way: a server between the two."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from its_agent.backends.connection import encoded
from its_agent.backends.endpoint import Endpoint
from its_agent.backends.protocol import Tokens
from its_agent.errors import BackendError

CHAT = "/v1/chat/completions"
_LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of a peer."""

    prompt: str
    """Its messages; equal where the prompts are."""
    is_sample: bool
    """It puts the posed question itself; a judge's request does not."""
    n: int
    read_before: bool = False
    """An earlier run had the engine read this prompt."""
    tokens: Tokens | None = None
    """None for one that was cancelled or refused, whose use nobody told."""
    texts: tuple[tuple[str, str], ...] = ()
    """Text and finish reason of each choice."""


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Cached(_Shape):
    cached_tokens: int | None = None


class _Told(_Shape):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Cached | None = None


class _Message(_Shape):
    content: str | None = None


class _Choice(_Shape):
    message: _Message
    finish_reason: str | None = None


class _Answer(_Shape):
    choices: Sequence[_Choice]
    usage: _Told


class Tap:
    """Passes requests on to an engine, and keeps what was asked and told.

    Whatever a peer sets, a sample goes out with the posed messages and the shared sampling
    settings, so that all peers draw from the same distribution; other requests keep their own.
    A seed never passes, since it kills a CPU engine.
    """

    def __init__(self, base_url: str, sampling: Mapping[str, Any]) -> None:
        self.calls: list[Call] = []
        self.lost: BackendError | None = None
        """Why the engine gave no proper answer, once it did not."""
        self._endpoint = Endpoint(base_url)
        self._sampling = sampling
        self._posed: Sequence[Mapping[str, Any]] = ()
        self._answered: set[str] = set()

    def pose(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Begin a run: forget the requests before it."""
        self._answered |= {call.prompt for call in self.calls if call.tokens is not None}
        self.calls = []
        self._posed = messages

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[str]:
        """The address for peers, on loopback. A peer that hangs up ends its request."""
        server = web.Server(self._pass_on, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._engine:
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()

    async def _pass_on(self, asked: web.BaseRequest) -> web.StreamResponse:
        if asked.path != CHAT:
            return web.json_response({"detail": "Not Found"}, status=404)
        body: dict[str, Any] = json.loads(await asked.read())
        call, sent = self._sent(body)
        # A late answer belongs to the problem that it was asked for.
        calls, place = self.calls, len(self.calls)
        calls.append(call)
        try:
            status, text = await self._post(sent)
            calls[place] = self._told(call, text) if status == 200 else call
        except BackendError as error:
            self.lost = error
            return web.json_response({"detail": str(error)}, status=502)
        return web.Response(text=text, status=status, content_type="application/json")

    def _sent(self, body: Mapping[str, Any]) -> tuple[Call, Mapping[str, Any]]:
        sent = {field: value for field, value in body.items() if field != "seed"}
        is_sample = bool(self._posed) and _last_words(body["messages"]) == _last_words(self._posed)
        if is_sample:
            kept = {field: value for field, value in sent.items() if field not in _LIMITS}
            sent = {**kept, **self._sampling, "messages": self._posed}
        prompt = json.dumps(sent["messages"])
        call = Call(
            prompt=prompt,
            is_sample=is_sample,
            n=int(body.get("n") or 1),
            read_before=prompt in self._answered,
        )
        return call, sent

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, str]:
        url = f"{str(self._endpoint.root).rstrip('/')}{CHAT}"
        headers = {"Content-Type": "application/json"}
        with self._endpoint.translating():
            async with self._engine.post(url, data=encoded(body), headers=headers) as response:
                return response.status, await response.text()

    def _told(self, call: Call, text: str) -> Call:
        answer = self._endpoint.read(_Answer, text, what="a chat completion with its usage")
        told, details = answer.usage, answer.usage.prompt_tokens_details
        return replace(
            call,
            tokens=Tokens(
                prompt=told.prompt_tokens,
                cached_prompt=(details and details.cached_tokens) or 0,
                completion=told.completion_tokens,
            ),
            texts=tuple(
                (choice.message.content or "", choice.finish_reason or "aborted")
                for choice in answer.choices
            ),
        )


def _last_words(messages: Sequence[Mapping[str, Any]]) -> tuple[object, object]:
    return (messages[-1].get("role"), messages[-1].get("content"))
