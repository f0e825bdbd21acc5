"""TraceRecorder: an `on_event` sink that writes a trace file."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from its_agent.errors import InvalidOption
from its_agent.events import Event
from its_agent.trace.file import KINDS, header, line_of

_logger = logging.getLogger(__name__)
_RECORDED = frozenset(KINDS.values())


class TraceRecorder:
    """Writes the events of all solves that it hears, a line each, and holds nothing open.

    Only its owner can read the file, as prompts and texts are in it. A disk that fails in the
    middle of a solve does not end it: the rest is left out, `failure` says why, and the log too.
    """

    def __init__(self, path: str | Path) -> None:
        """Begin the file, in place of one that is there. Raises InvalidOption where it cannot be
        written, or something else than a file is there."""
        self.path = Path(path)
        self.failure: OSError | None = None
        self.events = 0
        """How many were written."""
        try:
            if self.path.exists() and not self.path.is_file():
                raise InvalidOption(f"the trace {path} cannot be written: what is there is no file")
            self.path.unlink(missing_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as handle:
                handle.write(header())
        except OSError as error:
            raise InvalidOption(f"the trace {path} cannot be written: {error}") from error

    def __call__(self, event: Event) -> None:
        """Write an event; the arrival of tokens is none that a trace holds."""
        if type(event) not in _RECORDED or self.failure is not None:
            return
        try:
            # A file that was taken away is not made anew, where others could read it.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            with os.fdopen(descriptor, "a", encoding="ascii") as handle:
                handle.write(line_of(event))
            self.events += 1
        except OSError as error:
            self.failure = error
            _logger.warning("run %s: the trace ends here: %s", event.run_id, error)
