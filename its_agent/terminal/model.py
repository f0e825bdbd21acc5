"""`its-agent model`: fetch models and run the embedded engine."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from its_agent.backends.embedded import EmbeddedServer, running_server, start_server, stop_server
from its_agent.backends.home import home
from its_agent.backends.models import DEFAULT_MODEL, KNOWN_MODELS, ensure_model, local_model
from its_agent.terminal.failures import NO_ENGINE
from its_agent.terminal.progress import shown_progress

model_app = typer.Typer(
    help="Fetch models and run the embedded engine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ModelName = Annotated[
    str, typer.Argument(help="A known model, a Hugging Face id (org/name) or a model folder.")
]


@model_app.command("list")
def list_models() -> None:
    """Show the known models and which of them are on this machine."""
    table = Table("model", "licence", "download", "on this machine")
    for known in KNOWN_MODELS.values():
        here = "yes" if local_model(known.name) else "no"
        name = f"{known.name} (default)" if known.name == DEFAULT_MODEL else known.name
        table.add_row(name, known.licence, f"{known.gguf_bytes / 1e6:.0f} MB", here)
    out = _out()
    out.print(table)
    out.print(f"Models are kept in {home() / 'models'}", highlight=False, soft_wrap=True)


@model_app.command()
def fetch(name: ModelName = DEFAULT_MODEL) -> None:
    """Bring a model to this machine, ready for the engine."""
    with shown_progress(_err()) as progress:
        folder = ensure_model(name, progress=progress)
    typer.echo(str(folder))


@model_app.command()
def start(
    name: ModelName = DEFAULT_MODEL,
    port: Annotated[
        int | None, typer.Option(help="Port on the loopback address; a free one if not given.")
    ] = None,
    idle_seconds: Annotated[
        float, typer.Option(help="End the server after this time without requests.")
    ] = 900,
    max_model_len: Annotated[
        int, typer.Option(help="Longest prompt and answer together, in tokens.")
    ] = 4096,
    eager: Annotated[
        bool, typer.Option("--eager", help="Start sooner, generate slower: do not compile.")
    ] = False,
) -> None:
    """Start the engine and leave it running for other commands to use."""
    with shown_progress(_err()) as progress:
        server = start_server(
            name,
            port=port,
            keep=True,
            idle_seconds=idle_seconds,
            eager=eager,
            max_model_len=max_model_len,
            progress=progress,
        )
    _show(server)


@model_app.command()
def stop() -> None:
    """Stop the engine that `start` left running."""
    typer.echo("stopped" if stop_server() else "no engine was running")


@model_app.command()
def status() -> None:
    """Show where the kept engine is; exit code 3 when none answers."""
    server = running_server()
    if server is None:
        typer.echo("no engine is running; start one with: its-agent model start")
        raise typer.Exit(NO_ENGINE)
    _show(server)


def _show(server: EmbeddedServer) -> None:
    rows = {
        "address": f"{server.base_url}/v1",
        "model": f"{server.model} ({server.dtype})",
        "process": str(server.pid),
        "idle": f"{max(time.time() - server.last_active, 0):.0f} s",
        "log": str(server.log_path),
    }
    for name, value in rows.items():
        typer.echo(f"{name:<8} {value}")


def _out() -> Console:
    return Console()


def _err() -> Console:
    return Console(stderr=True)
