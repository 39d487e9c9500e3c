"""The options that every command which calls the API has."""

from __future__ import annotations

from typing import Annotated

import typer

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar=["GENEQUEUE_URL", "SYNTHESIZE_API_BASE_URL"],
        help="Where the API is.",
        show_envvar=True,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar=["GENEQUEUE_API_KEY", "SYNTHESIZE_API_KEY"], help="An API key.", show_envvar=True
    ),
]
DEFAULT_URL = "http://127.0.0.1:8000"
