"""What the command line records of a solve, for `its-agent trace` to show."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from its_agent.errors import InvalidOption
from its_agent.events import Event
from its_agent.terminal.live import View, silence

if TYPE_CHECKING:
    from its_agent.trace import TraceRecorder


def both(one: View, other: View) -> View:
    """Shows events to both."""

    def see(event: Event) -> None:
        one(event)
        other(event)

    return see


@contextmanager
def recorded(path: Path | None) -> Generator[View]:
    """Records a solve in a file, if one is named, and keeps it as the last one whatever ends it.

    Raises InvalidOption where that file cannot be written; trouble with the cache folder is told.
    """
    from its_agent.trace import TraceRecorder

    recorder = _for_the_cache() if path is None else TraceRecorder(path)
    if recorder is None:
        yield silence
        return
    try:
        yield recorder
    finally:
        _keep(recorder)


def _for_the_cache() -> TraceRecorder | None:
    from its_agent.trace.kept import begin

    try:
        return begin()
    except (OSError, InvalidOption) as trouble:
        _tell(trouble)
        return None


def _keep(recorder: TraceRecorder) -> None:
    from its_agent.trace.kept import keep

    if recorder.failure is not None:
        _tell(recorder.failure)
    try:
        keep(recorder)
    except OSError as trouble:
        _tell(trouble)


def _tell(trouble: Exception) -> None:
    typer.echo(f"its-agent: the trace of this solve is not kept: {trouble}", err=True)
