"""A scripted backend behind vLLM's HTTP pages, for what can only be tried on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from its_agent.backends.protocol import Delta, Request, Tokens
from its_agent.backends.scripted import ScriptedBackend, count_tokens

FINE: tuple[int, Mapping[str, str]] = (200, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """What a server does otherwise than vLLM does."""

    refuses: Callable[[Mapping[str, Any]], str | None] = lambda body: None
    """Says what it cannot do about a request's body, which then gets a 400."""
    failures: Sequence[tuple[int, Mapping[str, str]]] = ()
    """Status and headers that the first requests for samples are answered with."""
    page_failures: Sequence[tuple[int, Mapping[str, str]]] = ()
    """The same of the first requests for each other page."""
    tokenizes: bool = True
    lacks: Collection[str] = ()
    """Fields of events that are never sent: "usage", "logprobs"."""
    one_choice: bool = False
    ignores: Collection[str] = ()
    """Fields of requests that are not heeded: "stop", "max_tokens", "max_completion_tokens"."""
    repeats: bool = False
    """Sends every event twice."""
    cut_after: int | None = None
    """Events after which the first answer's connection is closed."""
    hangs_after: int | None = None
    """Events after which the connection stays open and silent; -1 is after the last one."""
    says: bytes | None = None
    """Sent in place of an answer."""
    slow: float = 0.0
    """Seconds before the first event."""


@contextmanager
def served(
    backend: ScriptedBackend,
    *,
    model: str = "scripted",
    others: Sequence[str] = (),
    quirk: Quirk = Quirk(),
) -> Generator[str]:
    """The base URL of a server that answers with the backend's samples."""

    class Pages(_Pages):
        source = backend
        names = (model, *others)
        odd = quirk
        failures = iter(quirk.failures)
        page_failures = {
            path: iter(quirk.page_failures) for path in ("/v1/models", "/version", "/tokenize")
        }
        whole = quirk.cut_after is None
        closing = Event()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        Pages.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Pages(BaseHTTPRequestHandler):
    source: ScriptedBackend
    names: tuple[str, ...]
    odd: Quirk
    failures: Iterator[tuple[int, Mapping[str, str]]]
    page_failures: Mapping[str, Iterator[tuple[int, Mapping[str, str]]]]
    whole: bool
    closing: Event

    def do_GET(self) -> None:
        pages: Mapping[str, Mapping[str, Any]] = {
            "/v1/models": {"data": [{"id": name, "max_model_len": 4096} for name in self.names]},
            "/version": {"version": "0.32.0"},
        }
        page = pages.get(self.path)
        if page and self._fails():
            return
        self._send(200 if page else 404, page or {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            if not self.odd.tokenizes:
                self._send(404, {"detail": "Not Found"})
            elif not self._fails():
                self._send(200, {"count": self._count(body)})
            return
        request = _request(body, self.odd)
        status, headers = next(self.failures, FINE)
        refused = self.odd.refuses(body)
        if refused is not None:
            status, headers = 400, FINE[1]
        if status != 200:
            self._fail(status, headers, refused or "not now")
        elif self.odd.says is not None:
            self._write(200, "text/event-stream", self.odd.says)
        else:
            told = body.get("stream_options", {}).get("continuous_usage_stats", False)
            self._send_events(asyncio.run(_events(self.source, request, counted=told)))

    def _count(self, body: Mapping[str, Any]) -> int:
        if "prompt" in body:
            return count_tokens(body["prompt"])
        return asyncio.run(self.source.count_prompt(_request(body, self.odd)))

    def _fails(self) -> bool:
        """Answer with the page's next failure, if it has one left."""
        status, headers = next(self.page_failures[self.path], FINE)
        if status == 200:
            return False
        self._fail(status, headers, "not now")
        return True

    def _fail(self, status: int, headers: Mapping[str, str], why: str) -> None:
        said = {"error": {"message": why, "code": status}}
        self._write(status, "application/json", json.dumps(said).encode(), headers)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: standard error belongs to the command that is tested."""

    def _send(self, status: int, page: Mapping[str, Any]) -> None:
        self._write(status, "application/json", json.dumps(page).encode())

    def _send_events(self, events: list[Mapping[str, Any]]) -> None:
        lines = [*(json.dumps(_without(event, self.odd.lacks)) for event in events), "[DONE]"]
        if "usage" in self.odd.lacks:
            lines = [line for line in lines if '"choices": []' not in line]
        if self.odd.repeats:
            lines = [line for line in lines for _ in (1, 2)]
        whole = "".join(f"data: {line}\n\n" for line in lines).encode()
        if self.odd == Quirk():
            self._write(200, "text/event-stream", whole)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.closing.wait(self.odd.slow)
        shown, hangs = lines, False
        if not type(self).whole:
            type(self).whole = True
            shown = lines[: self.odd.cut_after]
        elif self.odd.hangs_after is not None:
            shown, hangs = lines[: self.odd.hangs_after], True
        for line in shown:
            self.wfile.write(f"data: {line}\n\n".encode())
            self.wfile.flush()
        if hangs:
            self.closing.wait(60)

    def _write(
        self, status: int, kind: str, content: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _request(body: Mapping[str, Any], quirk: Quirk) -> Request:
    body = {field: value for field, value in body.items() if field not in quirk.ignores}
    return Request(
        messages=tuple(body["messages"]),
        max_tokens=body.get("max_tokens", body.get("max_completion_tokens", 1 << 20)),
        n=1 if quirk.one_choice else body.get("n", 1),
        temperature=body.get("temperature", 1.0),
        top_logprobs=body.get("top_logprobs", 0),
        stop=tuple(body.get("stop", ())),
        choices=tuple(body.get("structured_outputs", {}).get("choice", ())),
        continue_partial=body.get("continue_final_message", False),
        schema=_schema(body.get("response_format")),
        tools=tuple(body.get("tools", ())),
        tool_choice=body.get("tool_choice"),
    )


def _schema(form: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return form["json_schema"]["schema"] if form else None


async def _events(
    backend: ScriptedBackend, request: Request, *, counted: bool
) -> list[Mapping[str, Any]]:
    prompt = await backend.count_prompt(request) if counted else None
    return [_event(item, prompt) async for item in backend.stream(request)]


def _event(item: Delta | Tokens, prompt: int | None) -> Mapping[str, Any]:
    if isinstance(item, Tokens):
        usage = {"prompt_tokens": item.prompt, "completion_tokens": item.completion}
        return {"choices": [], "usage": usage}
    tokens = [
        {"token": "", "logprob": logprob, "top_logprobs": _alternatives(item, place)}
        for place, logprob in enumerate(item.logprobs)
    ]
    choice = {
        "index": item.index,
        "delta": {"content": item.text, **_calls(item)},
        "logprobs": {"content": tokens},
        "finish_reason": item.finish,
    }
    if prompt is None:
        return {"choices": [choice]}
    usage = {"prompt_tokens": prompt, "completion_tokens": item.tokens}
    return {"choices": [choice], "usage": usage}


def _calls(item: Delta) -> Mapping[str, Any]:
    if not item.calls:
        return {}
    calls = [
        {
            "index": one.index,
            **({"id": one.id, "type": "function"} if one.id else {}),
            "function": {"arguments": one.arguments, **({"name": one.name} if one.name else {})},
        }
        for one in item.calls
    ]
    return {"tool_calls": calls}


def _without(event: Mapping[str, Any], fields: Collection[str]) -> Mapping[str, Any]:
    kept = {field: value for field, value in event.items() if field not in fields}
    kept["choices"] = [
        {field: value for field, value in choice.items() if field not in fields}
        for choice in event["choices"]
    ]
    return kept


def _alternatives(item: Delta, place: int) -> list[Mapping[str, Any]]:
    if place >= len(item.top_logprobs):
        return []
    return [{"token": name, "logprob": p} for name, p in item.top_logprobs[place].items()]
