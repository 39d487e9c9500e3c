"""`genequeue models`: which models a server has, and what they know."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.client import Client
from cli.options import DEFAULT_URL, Key, Url


def models(
    example: Annotated[
        str | None, typer.Option("--example", help="Print the example query of this model.")
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List the models, or print the example query of one."""
    client = Client(url, key)
    if example is not None:
        query = client.get(f"/api/models/{example}/example-query")["example_query"]
        print(json.dumps(query, indent=2))
        return
    table = Table("model", "version", "genes", "what it is", box=None, header_style="bold")
    for model in client.get("/api/models")["models"]:
        row = (model["model_id"], model["version"], model["num_genes"], model["title"])
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)
