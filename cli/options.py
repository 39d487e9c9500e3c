"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
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
Wait = Annotated[bool, typer.Option("--wait", help="Stay until the result is there.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the result: .parquet, .h5ad or .csv.")
]
DEFAULT_URL = "http://127.0.0.1:8000"
