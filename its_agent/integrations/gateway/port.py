"""A port that the gateway answers on; on this machine alone, unless keys are asked for."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from its_agent.errors import InvalidOption, PortInUse
from its_agent.integrations.gateway.keys import Key

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
"""What clients call this machine by."""
GRACE_SECONDS = 30
"""How long solves under way may go on when the gateway is ended."""
_TICK_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A gateway that answers at `base_url`; `ended` is done when it does no more."""

    base_url: str
    ended: asyncio.Task[None]


def names_of(host: str, keys: Sequence[Key]) -> tuple[str, ...]:
    """The names that a gateway at this host may be called by; none for any.

    Raises InvalidOption for a host that others can reach, where no keys are asked for.
    """
    if keys:
        return ()
    if host not in LOOPBACK:
        raise InvalidOption(
            f"on {host} others could spend your compute: give API keys (--keys FILE, or "
            "ITS_GATEWAY_KEYS), or listen on 127.0.0.1"
        )
    return LOOPBACK_NAMES


@asynccontextmanager
async def listening(app: ASGIApp, *, host: str, port: int) -> AsyncGenerator[Listening]:
    """Answer while the block runs; port 0 takes a free one. Raises PortInUse."""
    with _bound(host, port) as bound:
        server = _server(app)
        ended = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            while not server.started and not ended.done():
                await asyncio.sleep(_TICK_SECONDS)
            shown = f"[{host}]" if ":" in host else host
            yield Listening(base_url=f"http://{shown}:{bound.getsockname()[1]}", ended=ended)
        finally:
            server.should_exit = True
            await ended


def _server(app: ASGIApp) -> uvicorn.Server:
    # Its tracebacks end with the text of an error, which may quote a prompt; the gateway's own
    # log names the error.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise PortInUse(
            f"the gateway cannot listen on {host}:{port}: {error}; choose another --port or --host"
        ) from error
    return bound
