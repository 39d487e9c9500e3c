"""The options that several commands share."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from genequeue.client.place import DEFAULT_URL, KEY_VARIABLES, URL_VARIABLES
from shared.errors import InvalidInput

__all__ = ["DEFAULT_URL", "Key", "Output", "Url", "Wait", "read_pairs"]

Url = Annotated[
    str,
    typer.Option("--url", envvar=list(URL_VARIABLES), help="Where the API is.", show_envvar=True),
]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar=list(KEY_VARIABLES), help="An API key.", show_envvar=True),
]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until the result is there.")]
# A text, for a path forgets that it ended in a slash.
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Write the result: a folder/ of its parts, or .h5ad, .parquet, .csv, .mtx.zip, .arrow, .json.",
    ),
]


def read_pairs(written: list[str]) -> dict[str, Any]:
    """`name=value`, where the value is JSON if it can be read as such. Raises InvalidInput."""
    found: dict[str, Any] = {}
    for pair in written:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InvalidInput(f"--option {pair!r} is not an option. Write it as name=value.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
