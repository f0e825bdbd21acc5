"""A scripted OpenAI-compatible server, and the JSON that vLLM streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from its_agent.backends.protocol import Request, StreamItem
from its_agent.backends.vllm import VLLMBackend

ADDRESS = "http://engine.test:8000"
"""Where nothing is asked."""
QUESTION = ({"role": "user", "content": "What is 17 + 25?"},)
MODELS: Mapping[str, Any] = {"data": [{"id": "qwen", "max_model_len": 4096}]}


ASKED = Request(messages=QUESTION, max_tokens=50)


def request(**changes: Any) -> Request:
    return replace(ASKED, **changes)


def piece(
    index: int, text: str, *, count: int | None = None, finish: str | None = None
) -> dict[str, Any]:
    token: dict[str, Any] = {"token": text, "logprob": -0.5, "top_logprobs": []}
    choice: dict[str, Any] = {
        "index": index,
        "delta": {"content": text},
        "logprobs": {"content": [token] if text else []},
        "finish_reason": finish,
    }
    usage = None if count is None else {"prompt_tokens": 9, "completion_tokens": count}
    return {"choices": [choice], "usage": usage}


def total(prompt: int, completion: int, cached: int | None = None) -> dict[str, Any]:
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, **details}
    return {"choices": [], "usage": usage, "system_fingerprint": "vllm-0.32.0-tp1"}


def events(*chunks: Mapping[str, Any], done: bool = True) -> bytes:
    lines = [json.dumps(chunk) for chunk in chunks] + ["[DONE]"] * done
    return "".join(f"data: {line}\n\n" for line in lines).encode()


FORTY_TWO = events(piece(0, "42", count=1, finish="stop"), total(9, 1))


@dataclass
class Answer:
    """What one request is answered with; `hangs` keeps the connection open and silent after it."""

    content: bytes = b""
    status: int = 200
    late: bytes = b""
    """What comes a moment after the content."""
    hangs: bool = False
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the other side closes the connection of an answer that hangs."""


def page(content: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(content).encode(), status)


@dataclass
class Server:
    """Answers every path from a table; a path without an entry is a 404."""

    answers: dict[str, Callable[[], Answer]] = field(
        default_factory=dict[str, Callable[[], Answer]]
    )
    seen: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    connections: set[Any] = field(default_factory=set[Any])
    """Addresses that requests came from."""

    async def __call__(self, sent: web.BaseRequest) -> web.StreamResponse:
        body = await sent.read()
        self.seen.append((sent.path, json.loads(body) if body else None))
        self.headers.append(sent.headers)
        assert sent.transport is not None
        self.connections.add(sent.transport.get_extra_info("peername"))
        known = self.answers.get(sent.path)
        answer = known() if known else page({"detail": "Not Found"}, 404)
        if not (answer.hangs or answer.late):
            return web.Response(body=answer.content, status=answer.status)
        response = web.StreamResponse(status=answer.status)
        await response.prepare(sent)
        await response.write(answer.content)
        if answer.late:
            await asyncio.sleep(0.05)
            await response.write(answer.late)
            return response
        try:
            await asyncio.Event().wait()
        finally:
            answer.hung_up.set()
        return response

    def bodies(self, path: str) -> list[Any]:
        return [body for seen, body in self.seen if seen == path]


CHAT, LIST, VERSION, COUNT = "/v1/chat/completions", "/v1/models", "/version", "/tokenize"


def serving(content: bytes = FORTY_TWO) -> Server:
    """A server with one model that gives this answer to every chat request."""
    return Server(
        answers={
            CHAT: lambda: Answer(content),
            LIST: lambda: page(MODELS),
            VERSION: lambda: page({"version": "0.32.0"}),
        }
    )


@asynccontextmanager
async def listening(server: Server) -> AsyncGenerator[str]:
    """The base URL of the server, on the loopback address."""
    runner = web.ServerRunner(web.Server(server, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def backend_of(server: Server, *args: Any, **options: Any) -> AsyncGenerator[VLLMBackend]:
    async with (
        listening(server) as address,
        aclosing(VLLMBackend(address, *args, **options)) as backend,
    ):
        yield backend


async def collect(backend: VLLMBackend, asked: Request) -> list[StreamItem]:
    async with aclosing(backend.stream(asked)) as items:
        return [item async for item in items]


async def sent_body(asked: Request, **options: Any) -> Any:
    server = serving()
    async with backend_of(server, "qwen", **options) as backend:
        await collect(backend, asked)
    return server.bodies(CHAT)[0]
