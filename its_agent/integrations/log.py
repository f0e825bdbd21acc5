"""LogLines: an `on_event` sink that writes a solve to Python's logging."""

from __future__ import annotations

import logging

from its_agent.event_lines import line, spent_of
from its_agent.events import Event, Failed


class LogLines:
    """Logs every event that is worth a line, a failure as an error.

    The message begins with the run's id; the record has it as `run_id`, too, and the units spent
    as `compute`, for formatters that write fields.
    """

    def __init__(self, logger: logging.Logger | None = None, *, level: int = logging.INFO) -> None:
        """`level` is that of all lines but failures; without a logger it is "its_agent"."""
        self._logger = logger or logging.getLogger("its_agent")
        self._level = level

    def __call__(self, event: Event) -> None:
        """Log an event."""
        level = logging.ERROR if isinstance(event, Failed) else self._level
        if not self._logger.isEnabledFor(level):
            return
        said = line(event)
        if said is None:
            return
        self._logger.log(
            level,
            "%s %.1f s, %s units: %s",
            event.run_id,
            event.elapsed,
            spent_of(event, None),
            " ".join(said.split()),
            extra={"run_id": event.run_id, "compute": event.spent.compute},
        )
