"""A scripted backend behind vLLM's HTTP pages, for what can only be tried on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from its_agent.backends.protocol import Delta, Request, Tokens
from its_agent.backends.scripted import ScriptedBackend


@contextmanager
def served(backend: ScriptedBackend, *, model: str = "scripted") -> Generator[str]:
    """The base URL of a server that answers with the backend's samples."""

    class Pages(_Pages):
        source = backend
        name = model

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Pages(BaseHTTPRequestHandler):
    source: ScriptedBackend
    name: str

    def do_GET(self) -> None:
        pages: Mapping[str, Mapping[str, Any]] = {
            "/v1/models": {"data": [{"id": self.name, "max_model_len": 4096}]},
            "/version": {"version": "0.32.0"},
        }
        page = pages.get(self.path)
        self._send(200 if page else 404, page or {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = _request(body)
        if self.path == "/tokenize":
            self._send(200, {"count": asyncio.run(self.source.count_prompt(request))})
        else:
            self._send_events(asyncio.run(_events(self.source, request)))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: standard error belongs to the command that is tested."""

    def _send(self, status: int, page: Mapping[str, Any]) -> None:
        self._write(status, "application/json", json.dumps(page).encode())

    def _send_events(self, events: list[Mapping[str, Any]]) -> None:
        lines = [*(json.dumps(event) for event in events), "[DONE]"]
        text = "".join(f"data: {line}\n\n" for line in lines)
        self._write(200, "text/event-stream", text.encode())

    def _write(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _request(body: Mapping[str, Any]) -> Request:
    return Request(
        messages=tuple(body["messages"]),
        max_tokens=body.get("max_tokens", 1),
        n=body.get("n", 1),
        temperature=body.get("temperature", 1.0),
        top_logprobs=body.get("top_logprobs", 0),
        stop=tuple(body.get("stop", ())),
        choices=tuple(body.get("structured_outputs", {}).get("choice", ())),
        continue_partial=body.get("continue_final_message", False),
    )


async def _events(backend: ScriptedBackend, request: Request) -> list[Mapping[str, Any]]:
    return [_event(item) async for item in backend.stream(request)]


def _event(item: Delta | Tokens) -> Mapping[str, Any]:
    if isinstance(item, Tokens):
        usage = {"prompt_tokens": item.prompt, "completion_tokens": item.completion}
        return {"choices": [], "usage": usage}
    tokens = [
        {"token": "", "logprob": logprob, "top_logprobs": _alternatives(item, place)}
        for place, logprob in enumerate(item.logprobs)
    ]
    choice = {
        "index": item.index,
        "delta": {"content": item.text},
        "logprobs": {"content": tokens},
        "finish_reason": item.finish,
    }
    usage = {"prompt_tokens": 0, "completion_tokens": item.tokens}
    return {"choices": [choice], "usage": usage}


def _alternatives(item: Delta, place: int) -> list[Mapping[str, Any]]:
    if place >= len(item.top_logprobs):
        return []
    return [{"token": name, "logprob": p} for name, p in item.top_logprobs[place].items()]
