"""Shows the one sample of a single pass while it is made, and nothing that will not stay."""

from __future__ import annotations

from dataclasses import dataclass, field

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk

from its_agent.calling.votes import Called
from its_agent.errors import BackendGarbled
from its_agent.events import Event, Generating, Retrying
from its_agent.integrations.stops import shown
from its_agent.thinking.tags import OPEN, parted
from its_agent.tool_calls import CallPiece, CallReader, call_id


@dataclass(slots=True, kw_only=True)
class LiveAnswer:
    """What has been shown so far. A sample that is made again goes on where it agrees with that."""

    stop: tuple[str, ...] = ()
    shown: str = ""
    _written: str = ""
    _calls: CallReader = field(default_factory=CallReader)
    _named: set[int] = field(default_factory=set[int])

    def take(self, event: Event) -> AIMessageChunk | None:
        """Return what an event adds to the answer, if anything."""
        if isinstance(event, Retrying):
            self._written = ""
        if not isinstance(event, Generating) or event.purpose != "generate":
            return None
        self._written += event.text
        self._calls.take(event.calls)
        text = self._new_text()
        if not text and not event.calls:
            return None
        return AIMessageChunk(
            content=text, tool_call_chunks=[self._chunk(one) for one in event.calls]
        )

    def rest(self, called: Called, content: str) -> str:
        """What the answer has beyond what was shown. Raises BackendGarbled where it is another."""
        shown_calls = [(one.name, one.arguments) for one in self._calls.calls]
        calls = [(one.name, one.arguments) for one in called.calls]
        if not content.startswith(self.shown) or (shown_calls and shown_calls != calls):
            raise BackendGarbled(
                "the sample was made anew, or turned out to be thinking, after a part of it had "
                "been shown; call invoke, which shows the whole answer at once"
            )
        return content[len(self.shown) :]

    @property
    def shows_calls(self) -> bool:
        """Whether calls were shown, so that they are not to be shown again."""
        return bool(self._named)

    def _new_text(self) -> str:
        visible = self._visible()
        if not visible.startswith(self.shown):
            return ""
        new = visible[len(self.shown) :]
        self.shown = visible
        return new

    def _visible(self) -> str:
        """What is sure to stay of the text so far."""
        begun = self._written.lstrip()[: len(OPEN)]
        if OPEN.startswith(begun) and begun != OPEN:
            return ""
        said = parted(self._written).answer if begun == OPEN else self._written
        return shown(said, self.stop)

    def _chunk(self, piece: CallPiece) -> ToolCallChunk:
        """The first piece of a call has the name that its answer will refer to."""
        is_new = piece.index not in self._named
        self._named.add(piece.index)
        return ToolCallChunk(
            type="tool_call_chunk",
            index=piece.index,
            id=call_id(piece.id) if is_new else None,
            name=piece.name or None if is_new else None,
            args=piece.arguments,
        )
