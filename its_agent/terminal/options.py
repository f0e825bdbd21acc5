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
Temperature = Annotated[
    float, typer.Option(min=0.0, max=2.0, help="Of warm samples; greedy ones are at 0.")
]
TopP = Annotated[
    float, typer.Option(min=0.01, max=1.0, help="Below 1 a CPU engine sorts the vocabulary.")
]
MaxTokens = Annotated[int, typer.Option(min=1, max=1 << 20, help="Most tokens of one sample.")]
