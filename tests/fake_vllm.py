"""A scripted OpenAI-compatible server, and the JSON that vLLM streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from its_agent.backends.protocol import Request, StreamItem
from its_agent.backends.vllm import VLLMBackend

ADDRESS = "http://engine.test:8000"
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


class Trickle(httpx.AsyncByteStream):
    """An answer that sends its pieces and then hangs until it is closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.pieces:
            yield part
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Server:
    """Answers every path from a table; a path without an entry is a 404."""

    answers: dict[str, Callable[[], httpx.Response]] = field(
        default_factory=dict[str, Callable[[], httpx.Response]]
    )
    seen: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    headers: list[httpx.Headers] = field(default_factory=list[httpx.Headers])

    def __call__(self, sent: httpx.Request) -> httpx.Response:
        self.seen.append((sent.url.path, json.loads(sent.content) if sent.content else None))
        self.headers.append(sent.headers)
        missing = httpx.Response(404, json={"detail": "Not Found"})
        answer = self.answers.get(sent.url.path)
        return answer() if answer else missing

    def bodies(self, path: str) -> list[Any]:
        return [body for seen, body in self.seen if seen == path]


CHAT, LIST, VERSION, COUNT = "/v1/chat/completions", "/v1/models", "/version", "/tokenize"


def serving(content: bytes = FORTY_TWO) -> Server:
    """A server with one model that gives this answer to every chat request."""
    return Server(
        answers={
            CHAT: lambda: httpx.Response(200, content=content),
            LIST: lambda: httpx.Response(200, json=MODELS),
            VERSION: lambda: httpx.Response(200, json={"version": "0.32.0"}),
        }
    )


@asynccontextmanager
async def backend_of(server: Server, *args: Any, **options: Any) -> AsyncGenerator[VLLMBackend]:
    transport = httpx.MockTransport(server)
    async with aclosing(VLLMBackend(ADDRESS, *args, transport=transport, **options)) as backend:
        yield backend


async def collect(backend: VLLMBackend, asked: Request) -> list[StreamItem]:
    async with aclosing(backend.stream(asked)) as items:
        return [item async for item in items]


async def sent_body(asked: Request, **options: Any) -> Any:
    server = serving()
    async with backend_of(server, "qwen", **options) as backend:
        await collect(backend, asked)
    return server.bodies(CHAT)[0]
