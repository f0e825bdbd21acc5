"""`its-agent serve`: any OpenAI client asks the engine through a budget."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from its_agent.budget import DEFAULT_COMPUTE
from its_agent.terminal.checks import listed
from its_agent.terminal.engine import Engine, engine
from its_agent.terminal.options import BaseUrl, MaxTokens, Model, Temperature, TopP

if TYPE_CHECKING:
    from its_agent.integrations.gateway import GatewayOptions, Key

DEFAULT_PORT = 8001
_LOG_LINE = "%(asctime)s %(levelname)s %(message)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where the gateway listens, whom it lets in, and how samples are taken."""

    host: str
    port: int
    keys: tuple[Key, ...]
    names: tuple[str, ...]
    options: GatewayOptions
    max_tokens: int
    temperature: float
    top_p: float


def serve(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but the loopback one needs keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULT_PORT,
    budget: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Of a request that names none; {DEFAULT_COMPUTE}, if that is allowed."
        ),
    ] = None,
    max_budget: Annotated[
        int, typer.Option(min=1, help="Most compute units that a request may ask for.")
    ] = 32_000,
    seconds: Annotated[float | None, typer.Option(help="Most seconds of a request.")] = None,
    strategy: Annotated[str, typer.Option(help="Of a request that names none.")] = "adaptive",
    strategies: Annotated[
        str | None, typer.Option(help="What a request may name, with commas; else all.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="TOML, a table keys.NAME each: key, compute, per_minute."),
    ] = None,
    key_compute: Annotated[
        int | None, typer.Option(min=1, help="Compute units in all of each key of the environment.")
    ] = None,
    key_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Requests a minute of each key of the environment.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Most requests at once.")] = 64,
    max_body: Annotated[int, typer.Option(min=1, help="Most bytes of a request.")] = 4 << 20,
    max_tokens: MaxTokens = 512,
    temperature: Temperature = 0.8,
    top_p: TopP = 0.95,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Answer OpenAI's chat completions, each within a budget, until Ctrl-C.

    API keys come from --keys, or from ITS_GATEWAY_KEYS with commas between them.
    """
    from its_agent.integrations.gateway import GatewayOptions, keys_in, keys_listed, names_of
    from its_agent.integrations.gateway.keys import KEYS_VARIABLE

    options = GatewayOptions(
        default_budget=budget or min(DEFAULT_COMPUTE, max_budget),
        most_compute=max_budget,
        strategy=strategy,
        strategies=tuple(listed(strategies, option="--strategies")) if strategies else (),
        seconds=seconds,
        concurrency=concurrency,
        body_bytes=max_body,
    )
    from_variable = keys_listed(
        os.environ.get(KEYS_VARIABLE, ""), compute=key_compute, per_minute=key_per_minute
    )
    known = (*(keys_in(keys) if keys else ()), *from_variable)
    post = Post(
        host=host,
        port=port,
        keys=known,
        names=names_of(host, known),
        options=options,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_LOG_LINE)
    console = Console(stderr=True)
    with engine(base_url, model, console=console) as place:
        asyncio.run(_serve(place, post))


async def _serve(place: Engine, post: Post) -> None:
    from its_agent.agent import Agent
    from its_agent.integrations.gateway import gateway, listening

    agent = Agent(
        place.backend(),
        strategy=post.options.strategy,
        max_tokens=post.max_tokens,
        temperature=post.temperature,
        top_p=post.top_p,
    )
    app = gateway(agent, post.options, keys=post.keys, hosts=post.names)
    async with listening(app, host=post.host, port=post.port) as here:
        typer.echo(f"its-agent: the gateway answers at {here.base_url}/v1", err=True)
        await here.ended
