"""Everything a server can do wrong, scripted and over a real connection, is an error of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest
from fake_vllm import (
    CHAT,
    LIST,
    Answer,
    Server,
    backend_of,
    collect,
    events,
    page,
    piece,
    request,
    serving,
)

from its_agent.backends.protocol import StreamItem
from its_agent.backends.vllm import VLLMBackend
from its_agent.errors import (
    BackendGarbled,
    BackendLost,
    BackendRefused,
    BackendUnreachable,
    PromptTooLong,
)

HALF = events(piece(0, "4", count=1), done=False)
FAILED_INSIDE = {"error": {"message": "EngineCore died", "type": "Internal", "code": 500}}


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (HALF, BackendLost, "0 of 1 samples were finished"),
        (HALF + b"data: [DONE]\n\n", BackendLost, "0 of 1 samples were finished"),
        (b"", BackendLost, "0 of 1"),
        (HALF + events(FAILED_INSIDE), BackendLost, "EngineCore died"),
        (events({"error": {"message": "bad", "code": 400}}), BackendRefused, "status 400: bad"),
        (events(piece(0, "", finish="abort")), BackendLost, "aborted a sample"),
        (events(piece(3, "4")), BackendGarbled, "one of the 1 choices"),
        (events(piece(0, "4", finish="odd")), BackendGarbled, "finish_reason"),
        (events({"choices": [{"index": 0}]}), BackendGarbled, "chat completion chunk"),
        (b"data: {broken\n\n", BackendGarbled, "got: {broken"),
        (b"<html>Welcome</html>", BackendGarbled, "got: <html>Welcome"),
        (b'{"id": "whole", "choices": []}', BackendGarbled, "a stream of events"),
    ],
)
async def test_a_broken_answer_is_an_error_of_its_own(
    content: bytes, error: type[Exception], says: str
) -> None:
    async with backend_of(serving(content)) as backend:
        with pytest.raises(error, match=says):
            await collect(backend, request())


TOO_LONG = "This model's maximum context length is 4096 tokens. However, your prompt contains 9000"


@pytest.mark.parametrize(
    ("status", "message", "error", "says"),
    [
        (400, TOO_LONG, PromptTooLong, "4096 tokens"),
        (400, "n must be 1 when using greedy sampling", BackendRefused, "400: n must be 1"),
        (503, "queue is full", BackendRefused, "lower max_concurrency"),
        (500, "EngineCore died", BackendRefused, "status 500: EngineCore died"),
        (302, "moved", BackendRefused, "status 302"),
    ],
)
async def test_an_error_status_quotes_the_server(
    status: int, message: str, error: type[Exception], says: str
) -> None:
    server = serving()
    body = {"error": {"message": message, "type": "x", "code": status}}
    server.answers[CHAT] = lambda: page(body, status)
    async with backend_of(server) as backend:
        with pytest.raises(error, match=says):
            await collect(backend, request())


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(b"<h1>nothing</h1>", 404), BackendRefused, "OpenAI-compatible server"),
        (Answer(b"<h1>hello</h1>"), BackendGarbled, "got: <h1>hello</h1>"),
        (Answer(b""), BackendGarbled, "got nothing"),
    ],
)
async def test_a_server_of_another_kind_is_recognised(
    answer: Answer, error: type[Exception], says: str
) -> None:
    async with backend_of(Server(answers={LIST: lambda: answer})) as backend:
        with pytest.raises(error, match=says):
            await backend.offer()


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@asynccontextmanager
async def speaking(connected: Connected) -> AsyncGenerator[str, None]:
    """A loopback server; `connected` speaks for it once the request's head is there."""

    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        await connected(reader, writer)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ask(address: str, **options: Any) -> list[StreamItem]:
    async with aclosing(VLLMBackend(address, "qwen", **options)) as backend:
        return await collect(backend, request())


async def test_closing_a_stream_hangs_up_on_the_server() -> None:
    gone = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunked(HALF))
        while await reader.read(65536):
            pass
        gone.set()

    async with (
        speaking(connected) as address,
        aclosing(VLLMBackend(address, "qwen")) as backend,
    ):
        async for _ in backend.stream(request()):
            break
        await asyncio.wait_for(gone.wait(), 1)


async def test_a_connection_that_drops_in_an_answer_is_lost() -> None:
    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunked(HALF))
        await writer.drain()

    async with speaking(connected) as address:
        with pytest.raises(BackendLost, match="in the middle of an answer"):
            await ask(address)


async def test_a_server_that_falls_silent_is_lost() -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunked(HALF))
        while await reader.read(65536):
            pass

    async with speaking(connected) as address:
        with pytest.raises(BackendLost, match="silent"):
            await ask(address, timeout=0.1)


async def test_a_server_that_speaks_no_http_is_garbled() -> None:
    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    async with speaking(connected) as address:
        with pytest.raises(BackendGarbled, match="HTTP"):
            await ask(address)


async def test_an_address_where_nothing_listens_is_unreachable() -> None:
    async def connected(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None: ...

    async with speaking(connected) as address:
        pass
    with pytest.raises(BackendUnreachable, match="its-agent model start") as caught:
        await ask(address)
    assert address in str(caught.value)
