"""What the log says of a request: ids, names and numbers, never a prompt or a key."""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from its_agent.errors import BackendRefused, ItsAgentError

LOG = logging.getLogger("its_agent.gateway")
_ID = re.compile(r"[\w.:-]{1,64}")


@dataclass(slots=True, kw_only=True)
class Record:
    """One request, told in one line once it has ended."""

    id: str
    method: str
    path: str
    status: int | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    def tell(self, seconds: float) -> None:
        """Write the line."""
        details = "".join(f" {name}={value}" for name, value in self.details.items())
        LOG.info(
            "request=%s %s %s status=%s seconds=%.3f%s",
            self.id,
            self.method,
            self.path,
            self.status or "none",
            seconds,
            details,
        )

    def failed(self, error: BaseException) -> None:
        """Name what went wrong. Its text may quote a prompt, and stays out."""
        self.details["error"] = type(error).__name__
        cause = error.__cause__ if isinstance(error, ItsAgentError) else None
        if isinstance(error, BackendRefused):
            self.details["engine_status"] = error.status
        if cause is not None:
            self.details["cause"] = type(cause).__name__


def request_id(given: str | None) -> str:
    """The client's own id where it is a plain one, else a new one."""
    return given if given and _ID.fullmatch(given) else uuid.uuid4().hex
