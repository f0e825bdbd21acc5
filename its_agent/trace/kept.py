"""The trace of the last solve of the command line, in the user's cache folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from its_agent.backends.home import subfolder
from its_agent.errors import InvalidInput
from its_agent.trace.recorder import TraceRecorder

_NAME = "last.jsonl"


def folder() -> Path:
    """Where traces and their pages are kept, for their owner alone."""
    place = subfolder("traces")
    place.chmod(0o700)
    return place


def last_trace() -> Path:
    """The last one. Raises InvalidInput where there is none."""
    path = folder() / _NAME
    if not path.exists():
        raise InvalidInput(
            f"no solve is kept yet ({path} is not there); run `its-agent solve …`, or name a file"
        )
    return path


def begin() -> TraceRecorder:
    """A recorder for a solve that is to become the last one; solves side by side do not mix."""
    return TraceRecorder(folder() / f"{os.getpid()}.part")


def keep(recorder: TraceRecorder) -> None:
    """Make what was recorded the last one; a trace elsewhere stays there too, and one without
    events, of a solve that never began, replaces none."""
    last, own = folder() / _NAME, folder() / f"{os.getpid()}.part"
    if not recorder.events:
        own.unlink(missing_ok=True)
        return
    if recorder.path != own:
        shutil.copyfile(recorder.path, own)
        own.chmod(0o600)
    own.replace(last)
