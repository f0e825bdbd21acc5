"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[
    str | None,
    typer.Option(
        help="A known model, a hub id or a folder to serve; with --base-url, the server's model."
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(envvar="ITS_BASE_URL", help="A running vLLM server, such as http://HOST:8000."),
]
MaxTokens = Annotated[int, typer.Option(min=1, max=1 << 20, help="Most tokens of one sample.")]
