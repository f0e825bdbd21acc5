"""The file that tells other processes where the kept server is."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from its_agent.backends.home import home
from its_agent.backends.readiness import alive


class ServerState(BaseModel, frozen=True):
    """What the supervisor of a kept server writes; `last_active` in seconds since 1970."""

    base_url: str
    model: str
    pid: int
    engine_pid: int
    log_path: Path
    dtype: str
    last_active: float


def state_path() -> Path:
    """Where the file is. A supervisor ends its engine when the file is taken away."""
    return home() / "server.json"


def kept_state() -> ServerState | None:
    """The kept server whose supervisor lives, ready or still loading; None for a stale file."""
    try:
        state = ServerState.model_validate_json(state_path().read_text())
    except (OSError, ValidationError):
        return None
    return state if alive(state.pid) else None
