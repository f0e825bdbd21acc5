"""`its-agent bench speed`, `early-stop` and `sandbox`: what things cost, and what they save."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from its_agent.terminal.bench import make_writable
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.options import BaseUrl, Model


def speed(
    out: Annotated[
        Path,
        typer.Option(help="The Markdown section to write, with the figures (.json) beside it."),
    ],
    model: Model = None,
    base_url: BaseUrl = None,
    its_hub: Annotated[
        str | None, typer.Option(help="A Python that has its_hub, to measure beside it.")
    ] = None,
    engineless: Annotated[
        bool, typer.Option("--no-engine", help="Leave out the figure that needs a real engine.")
    ] = False,
) -> None:
    """Measure what the framework itself costs, against the bare parts it stands on."""
    from its_agent.bench.speed_page import Speed, machine, speed_section

    make_writable(out)
    console = Console(stderr=True)
    overhead, streaming = asyncio.run(_own_time(console))
    throughput = None
    if not engineless:
        with engine(base_url, model, console=console) as place:
            throughput = asyncio.run(_throughput(place, console))
            peer = asyncio.run(_peer(its_hub, place, console))
    else:
        peer = asyncio.run(_peer(its_hub, None, console))
    seen = Speed(
        machine=machine(),
        command=f"its-agent bench speed --out {out.name}"
        + " --its-hub PYTHON" * (its_hub is not None)
        + " --no-engine" * engineless,
        overhead=overhead,
        streaming=streaming,
        throughput=throughput,
        its_hub=peer,
    )
    out.with_suffix(".json").write_text(json.dumps(asdict(seen), indent=1) + "\n", encoding="utf-8")
    out.write_text(speed_section(seen), encoding="utf-8")
    typer.echo(speed_section(seen), nl=False)


async def _own_time(console: Console) -> tuple[dict[str, Any], dict[str, Any]]:
    from its_agent.bench.overhead import measure_overhead
    from its_agent.bench.streaming import measure_streaming

    console.print("own time on a server that answers at once …", highlight=False)
    overhead = asdict(await measure_overhead())
    console.print("256 streams at 20,000 tokens a second …", highlight=False)
    return overhead, asdict(await measure_streaming())


async def _throughput(place: Engine, console: Console) -> dict[str, Any]:
    from its_agent.bench.throughput import measure_throughput

    console.print("tokens a second against raw requests …", highlight=False)
    return asdict(await measure_throughput(place.base_url, place.model))


async def _peer(
    python: str | None, place: Engine | None, console: Console
) -> dict[str, Any] | None:
    from its_agent.bench.peer import measure_its_hub

    if python is None:
        return None
    console.print("its_hub on the same …", highlight=False)
    if place is None:
        return asdict(await measure_its_hub(python, None))
    async with aclosing(place.backend()) as backend:
        model = (await backend.offer()).fingerprint.model
    url = place.base_url.rstrip("/").removesuffix("/v1")
    return asdict(await measure_its_hub(python, (url, model)))


def early_stop(
    pool: Annotated[Path, typer.Argument(help="A pool of recorded samples.")],
    out: Annotated[Path, typer.Option(help="The Markdown file that the section goes to.")],
) -> None:
    """Replay a pool with and without aborting waves whose vote is decided."""
    from its_agent.bench.early_stop import early_stop_section, measure_early_stop

    make_writable(out)
    seen = asyncio.run(measure_early_stop(pool))
    section = early_stop_section(seen, f"its-agent bench early-stop {pool.name} --out {out.name}")
    out.write_text(section, encoding="utf-8")
    typer.echo(section, nl=False)


def sandbox(
    out: Annotated[Path, typer.Option(help="The Markdown file that the section goes to.")],
) -> None:
    """Measure what the sandbox adds to running a program."""
    from its_agent.bench.sandbox import measure_sandbox, sandbox_section

    make_writable(out)
    seen = asyncio.run(measure_sandbox())
    section = sandbox_section(seen, f"its-agent bench sandbox --out {out.name}")
    out.write_text(section, encoding="utf-8")
    typer.echo(section, nl=False)
