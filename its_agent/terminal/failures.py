"""How a command ends: its exit code, and one readable paragraph on standard error."""

from __future__ import annotations

import typer

from its_agent.errors import (
    BackendError,
    EngineError,
    InvalidInput,
    ItsAgentError,
    ModelError,
    SolveFailed,
)

ANSWERED = 0
ABSTAINED = 1
BAD_INPUT = 2
NO_ENGINE = 3
INTERRUPTED = 130


def exit_code(error: ItsAgentError) -> int:
    """The exit code that stands for an error."""
    match error:
        case InvalidInput():
            return BAD_INPUT
        case BackendError() | EngineError() | ModelError():
            return NO_ENGINE
        case SolveFailed() if error.receipt.stopped_because == "backend_lost":
            return NO_ENGINE
        case SolveFailed() if error.receipt.stopped_because == "cancelled":
            return INTERRUPTED
        case _:
            return ABSTAINED


def tell(error: ItsAgentError) -> None:
    """Print what went wrong, and what was paid for it."""
    typer.echo(f"its-agent: {error}", err=True)
    if isinstance(error, SolveFailed):
        typer.echo(f"\n{error.receipt}", err=True)
