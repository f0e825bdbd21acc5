"""Loopback ports for an engine."""

from __future__ import annotations

import socket

from its_agent.errors import InvalidOption, PortInUse

LOOPBACK = "127.0.0.1"


def address(port: int) -> str:
    """The base URL of a server on that port of this machine."""
    return f"http://{LOOPBACK}:{port}"


def choose_port(wanted: int | None) -> int:
    """The wanted port if nobody listens there, or a free one.

    Raises InvalidOption for a number outside 1 to 65535, PortInUse for a taken port.
    """
    if wanted is not None and not 0 < wanted < 1 << 16:
        raise InvalidOption(f"The port is {wanted}; allowed are 1 to 65535, or none to choose one.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted or 0))
        except OSError as error:
            raise PortInUse(
                f"Port {wanted} cannot be used: {error.strerror}. "
                "Choose another port, or none to get a free one."
            ) from error
        return int(probe.getsockname()[1])
