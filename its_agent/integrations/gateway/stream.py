"""An answer as server-sent events: progress in comments, then the text, the usage, and the end."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.types import Send

from its_agent.errors import ItsAgentError
from its_agent.events import Event, Solved
from its_agent.integrations.gateway.completion import Completion, Reply, calls_of, reply_of
from its_agent.integrations.gateway.progress import Progress
from its_agent.integrations.gateway.record import Record
from its_agent.integrations.gateway.refusal import Refusal, refusal_of
from its_agent.integrations.gateway.solving import Entry, Solving
from its_agent.integrations.gateway.ticking import ticking
from its_agent.integrations.stops import shown

DONE = "data: [DONE]\n\n"
KEEP_ALIVE = ": keep-alive\n\n"
_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class Stream:
    """Tells one solve to one client.

    The headers are held back until the solve has begun, or `keep_alive` seconds: what is refused
    before is an error status. What goes wrong afterwards is an error event.
    """

    def __init__(self, solve: Solving, entry: Entry, record: Record, *, keep_alive: float) -> None:
        self._solve = solve
        self._entry = entry
        self._record = record
        self._keep_alive = keep_alive
        self._completion = Completion(order=solve.order)
        self._sent = ""
        self._begun = False

    async def tell(self, send: Send) -> None:
        """Solve and tell. Raises what the solve raises before the first byte is sent."""
        parts = self._parts()
        async with aclosing(parts):
            try:
                async for part in parts:
                    await self._write(send, part)
            except ItsAgentError as error:
                if not self._begun:
                    raise
                self._entry.status = "failed"
                self._record.failed(error)
                await self._write(send, _error(refusal_of(error)))
        await self._write(send, DONE)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send, text: str) -> None:
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _parts(self) -> AsyncGenerator[str, None]:
        progress = Progress(time.monotonic)
        solved = None
        async with aclosing(ticking(self._solve.events(), self._keep_alive)) as events:
            async for event in events:
                if (part := self._during(event, progress)) is not None:
                    yield part
                if event is not None:
                    solved = self._entry.take(event) or solved
        assert solved is not None
        yield self._end(solved)

    def _during(self, event: Event | None, progress: Progress) -> str | None:
        """What is told while the solve goes on."""
        if event is None:
            return KEEP_ALIVE
        more = shown(self._solve.text, self._solve.order.stop)[len(self._sent) :]
        return self._content(more) if more else progress.comment(event)

    def _content(self, text: str) -> str:
        role = {} if self._sent else {"role": "assistant"}
        self._sent += text
        return self._completion.piece({**role, "content": text})

    def _calls(self, reply: Reply) -> str:
        """All calls in one piece."""
        begun = {} if self._sent else {"role": "assistant", "content": None}
        calls = [{"index": place, **call} for place, call in enumerate(calls_of(reply))]
        return self._completion.piece({**begun, "tool_calls": calls})

    def _end(self, solved: Solved) -> str:
        reply = reply_of(solved, self._solve.order)
        if not reply.text.startswith(self._sent):
            raise Refusal(
                502,
                "what was streamed is not what the answer came to, as the model thinks without "
                "saying so; ask without stream, or serve it with a reasoning parser",
                code="stream_mismatch",
                receipt=solved.solution.receipt,
            )
        rest = reply.text[len(self._sent) :]
        text = self._content(rest) if rest or not (self._sent or reply.calls) else ""
        calls = self._calls(reply) if reply.calls else ""
        return text + calls + self._completion.end(solved, reply)


def _error(refusal: Refusal) -> str:
    return f"data: {json.dumps(refusal.body)}\n\n"
