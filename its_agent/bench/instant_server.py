"""A server that speaks vLLM's pages without a model: at once, or at a steady number of tokens.

    python -m its_agent.bench.instant_server [--tokens N] [--rate TOKENS_A_SECOND]

Prints its address. With a rate every sample gets that many tokens a second, one event each. Its
metrics count what was asked for, each prompt once a sample.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

MODEL = "instant"
PROMPT = 60
"""Tokens of whatever is asked."""
ANSWER = "Six boxes of three make \\boxed{18}."


def pages() -> dict[str, bytes]:
    """The answers that do not depend on the request."""
    return {
        "/v1/models": _json({"data": [{"id": MODEL, "max_model_len": 32_768}]}),
        "/version": _json({"version": "0.32.0"}),
        "/tokenize": _json({"count": PROMPT}),
    }


class Counters:
    """What all connections were asked for."""

    def __init__(self) -> None:
        self.samples = 0
        self.generated = 0

    def page(self) -> bytes:
        """The page as vLLM writes it."""
        counted = {
            "prompt_tokens_total": self.samples * PROMPT,
            "generation_tokens_total": self.generated,
            "prefix_cache_hits_total": 0,
            "prefix_cache_queries_total": self.samples * PROMPT,
            "num_requests_running": 0,
            "num_requests_waiting": 0,
        }
        lines = (f'vllm:{name}{{engine="0"}} {count}.0' for name, count in counted.items())
        return "\n".join(lines).encode()


def chunk(index: int, text: str, count: int, finish: str | None) -> bytes:
    """One event with one token's log-probability and the running count."""
    token: dict[str, Any] = {"token": text, "logprob": -0.25, "top_logprobs": []}
    choice: dict[str, Any] = {
        "index": index,
        "delta": {"content": text},
        "logprobs": {"content": [token]},
        "finish_reason": finish,
    }
    usage = {"prompt_tokens": PROMPT, "completion_tokens": count}
    return b"data: " + json.dumps({"choices": [choice], "usage": usage}).encode() + b"\n\n"


def whole(samples: int, tokens: int) -> bytes:
    """An answer that is not streamed."""
    message = {"role": "assistant", "content": ANSWER}
    choices = [{"index": i, "message": message, "finish_reason": "stop"} for i in range(samples)]
    usage = {
        "prompt_tokens": PROMPT,
        "completion_tokens": samples * tokens,
        "total_tokens": PROMPT + samples * tokens,
    }
    return _json({"id": "1", "object": "chat.completion", "choices": choices, "usage": usage})


def ending(samples: int, tokens: int) -> bytes:
    """The whole request's usage, and the end of the stream."""
    usage = {"prompt_tokens": PROMPT, "completion_tokens": samples * tokens}
    last: dict[str, Any] = {"choices": [], "usage": usage}
    return b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"


class InstantServer(asyncio.Protocol):
    """One connection; keeps it open for the next request."""

    def __init__(self, tokens: int, rate: float | None, counters: Counters) -> None:
        self._counters = counters
        self._tokens = tokens
        self._rate = rate
        self._pages = pages()
        self._whole: dict[int, bytes] = {}
        self._got = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop what is being sent."""
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._got += data
        while b"\r\n\r\n" in self._got:
            head, _, rest = self._got.partition(b"\r\n\r\n")
            size = _content_length(head)
            if len(rest) < size:
                return
            self._got = rest[size:]
            self._answer(head.split(b" ", 2)[1].decode(), rest[:size])

    def _answer(self, path: str, body: bytes) -> None:
        page = self._counters.page() if path == "/metrics" else self._pages.get(path)
        if page is not None:
            self._transport.write(_head("application/json", len(page)) + page)
            return
        asked = json.loads(body)
        samples = int(asked.get("n", 1))
        self._counters.samples += samples
        self._counters.generated += samples * self._tokens
        if not asked.get("stream"):
            page = whole(samples, self._tokens)
            self._transport.write(_head("application/json", len(page)) + page)
            return
        if self._rate is None:
            self._transport.write(self._at_once(samples))
        else:
            self._task = asyncio.ensure_future(self._steadily(samples, self._rate))

    def _at_once(self, samples: int) -> bytes:
        if samples not in self._whole:
            events = [chunk(i, ANSWER, self._tokens, "stop") for i in range(samples)]
            whole = b"".join(events) + ending(samples, self._tokens)
            self._whole[samples] = _head("text/event-stream", len(whole)) + whole
        return self._whole[samples]

    async def _steadily(self, samples: int, rate: float) -> None:
        loop = asyncio.get_running_loop()
        self._transport.write(_head("text/event-stream", None))
        began = loop.time()
        for count in range(1, self._tokens + 1):
            await asyncio.sleep(began + count / rate - loop.time())
            last = count == self._tokens
            text = ANSWER if last else "word "
            for index in range(samples):
                self._piece(chunk(index, text, count, "stop" if last else None))
        self._piece(ending(samples, self._tokens))
        self._transport.write(b"0\r\n\r\n")

    def _piece(self, data: bytes) -> None:
        self._transport.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _head(kind: str, size: int | None) -> bytes:
    length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n\r\n".encode()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def _json(page: dict[str, Any]) -> bytes:
    return json.dumps(page).encode()


async def serve(tokens: int, rate: float | None) -> None:
    """Listen on the loopback address until ended."""
    loop = asyncio.get_running_loop()
    counters = Counters()
    server = await loop.create_server(lambda: InstantServer(tokens, rate, counters), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--rate", type=float, default=None)
    asked = parser.parse_args()
    asyncio.run(serve(asked.tokens, asked.rate))
