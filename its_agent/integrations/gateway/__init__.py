"""The OpenAI-compatible gateway: any OpenAI client gets answers that are bought within a budget.

`gateway` makes the application, `listening` answers with it on a port.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from its_agent.integrations.gateway.extra import require_gateway

if TYPE_CHECKING:
    from its_agent.integrations.gateway.app import gateway
    from its_agent.integrations.gateway.keys import Key, keys_in, keys_listed
    from its_agent.integrations.gateway.options import GatewayOptions
    from its_agent.integrations.gateway.port import listening, names_of

__all__ = [
    "GatewayOptions",
    "Key",
    "gateway",
    "keys_in",
    "keys_listed",
    "listening",
    "names_of",
]
_WHERE: Mapping[str, str] = {
    "GatewayOptions": "options",
    "Key": "keys",
    "gateway": "app",
    "keys_in": "keys",
    "keys_listed": "keys",
    "listening": "port",
    "names_of": "port",
}


def __getattr__(name: str) -> object:
    # What is missing is said before the web server's packages are looked for.
    if name in _WHERE:
        require_gateway()
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
