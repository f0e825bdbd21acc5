"""An answer as server-sent events: progress in comments, then the text, the usage, and the end."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from starlette.types import Send

from its_agent.errors import ItsAgentError
from its_agent.events import Event, Solved
from its_agent.integrations.gateway.completion import Completion, Ended, Reply, calls_of
from its_agent.integrations.gateway.progress import Progress
from its_agent.integrations.gateway.record import Record
from its_agent.integrations.gateway.refusal import Refusal, refusal_of
from its_agent.integrations.gateway.side_by_side import Told, side_by_side
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
    """Tells the solves of a request to its client.

    The headers are held back until a solve has begun, or `keep_alive` seconds: what is refused
    before is an error status. What goes wrong afterwards is an error event, unless another of the
    solves has an answer.
    """

    def __init__(
        self,
        solves: Sequence[Solving],
        entries: Sequence[Entry],
        record: Record,
        *,
        keep_alive: float,
    ) -> None:
        self._solves = solves
        self._entries = entries
        self._record = record
        self._keep_alive = keep_alive
        self._completion = Completion(order=solves[0].order)
        self._ended = Ended(order=solves[0].order)
        self._answers = [
            _Answer(choice, one, self._completion) for choice, one in enumerate(solves)
        ]
        self._begun = False

    async def tell(self, send: Send) -> None:
        """Solve and tell. Raises what a solve raises before the first byte is sent."""
        parts = self._parts()
        async with aclosing(parts):
            try:
                async for part in parts:
                    await self._write(send, part)
            except ItsAgentError as error:
                if not self._begun:
                    raise
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
        async with aclosing(ticking(side_by_side(self._solves), self._keep_alive)) as coming:
            async for told in coming:
                part = KEEP_ALIVE if told is None else self._part(told)
                if part:
                    yield part
        self._ended.check()
        if usage := self._completion.usage(self._ended):
            yield usage

    def _part(self, told: Told) -> str:
        """What the client is told of it."""
        entry, answer = self._entries[told.choice], self._answers[told.choice]
        part = ""
        try:
            event = told.what()
            part = answer.during(event) or ""
            if (solved := entry.take(event)) is not None:
                part += answer.end(solved, self._ended.take(told.choice, solved))
        except ItsAgentError as error:
            entry.failed(error)
            self._ended.fail(told.choice, error)
        return part


class _Answer:
    """One of the answers, as far as it was told."""

    def __init__(self, choice: int, solve: Solving, completion: Completion) -> None:
        self._choice = choice
        self._solve = solve
        self._completion = completion
        several = solve.order.choices > 1
        self._progress = Progress(time.monotonic, choice=choice if several else None)
        self._sent = ""

    def during(self, event: Event) -> str | None:
        """What is told while the solve goes on."""
        more = shown(self._solve.text, self._solve.order.stop)[len(self._sent) :]
        return self._content(more) if more else self._progress.comment(event)

    def end(self, solved: Solved, reply: Reply) -> str:
        """What of the answer is not told yet. Raises Refusal."""
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
        return text + calls + self._completion.end(self._choice, solved, reply)

    def _content(self, text: str) -> str:
        role = {} if self._sent else {"role": "assistant"}
        self._sent += text
        return self._completion.piece(self._choice, {**role, "content": text})

    def _calls(self, reply: Reply) -> str:
        """All calls in one piece."""
        begun = {} if self._sent else {"role": "assistant", "content": None}
        calls = [{"index": place, **call} for place, call in enumerate(calls_of(reply))]
        return self._completion.piece(self._choice, {**begun, "tool_calls": calls})


def _error(refusal: Refusal) -> str:
    return f"data: {json.dumps(refusal.body)}\n\n"
