"""Server-sent events: bytes in, the data of each event out."""

from __future__ import annotations

MAX_LINE_BYTES = 16 * 1024 * 1024
_FIELDS = (b"event:", b"id:", b"retry:", b":")


class NotAnEventStream(ValueError):
    """A line that no event stream has; `line` holds its beginning."""

    def __init__(self, line: bytes) -> None:
        self.line = line[:400].decode(errors="replace")
        super().__init__(self.line)


class EventDecoder:
    """Splits bytes, however they were cut, into events.

    Lines end at a newline byte only: text decoders also split at U+2028 and its like, which a
    model may write and JSON does not escape. One event is one `data:` line, as vLLM sends it.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        """Return the data of the events that are now whole. Raises NotAnEventStream."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise NotAnEventStream(self._rest)
        return [data for line in lines if (data := _data(line))]

    def end(self) -> list[str]:
        """Return the last event, if its newline never came. Raises NotAnEventStream."""
        return self.feed(b"\n")


def _data(line: bytes) -> str:
    line = line.rstrip(b"\r")
    if line.startswith(b"data:"):
        return line[5:].strip().decode(errors="replace")
    if line and not line.startswith(_FIELDS):
        raise NotAnEventStream(line)
    return ""
