"""Whether the packages that the gateway needs are here."""

from __future__ import annotations

from collections.abc import Callable

from its_agent.backends.extras import installed_version
from its_agent.errors import MissingExtra

PACKAGES = ("starlette", "uvicorn", "prometheus-client")
INSTALL = "python -m pip install 'its-agent[gateway]'"


def require_gateway(*, version_of: Callable[[str], str | None] = installed_version) -> None:
    """Raise MissingExtra, with the command that installs it, for what is missing."""
    missing = [package for package in PACKAGES if version_of(package) is None]
    if missing:
        raise MissingExtra(
            f"the gateway needs {', '.join(missing)}, which is not installed; "
            f"install it with: {INSTALL}"
        )
