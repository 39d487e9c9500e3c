"""`genequeue models`: which models a server has; adding one to it while it runs, and removing one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from cli import added_models
from cli.console import say
from cli.keys import DataDir
from cli.machine.folder import DATA_DIR
from cli.options import DEFAULT_URL, Key, Url
from genequeue.client import Client
from shared.catalog import Catalog, open_model
from shared.database.engines import sync_engine
from shared.settings import CatalogSettings
from shared.storage.objects import Credentials, open_storage

app = typer.Typer(help="Models: list, example, add, remove.", invoke_without_command=True)


@app.callback()
def models(
    context: typer.Context,
    example: Annotated[
        str | None, typer.Option("--example", help="Print the example query of this model.")
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List the models, or print the example query of one."""
    if context.invoked_subcommand is not None:
        return
    if example is not None:
        print_example(example, url, key)
    else:
        list_models(url, key)


@app.command("list")
def list_models(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List every model, what it can be asked for, and its versions; the first one is the default."""
    client = Client(url, key)
    table = Table("model", "versions", "genes", "origin", "added", "answers", box=None, header_style="bold")
    for offers in _by_model(client.get("/api/models")["models"]).values():
        first = offers[0]
        added = datetime.fromisoformat(first["added_at"]) if first["added_at"] else None
        table.add_row(
            first["base_model_id"],
            ", ".join(map(str, first["versions"])),
            str(first["num_genes"]),
            "added" if added else "starter",
            f"{added:%Y-%m-%d %H:%M}" if added else "",
            ", ".join(offer["request_type"] for offer in offers),
        )
    Console(highlight=False).print(table)
    for broken in client.get("/health/ready")["broken_models"]:
        say(broken, "red")


@app.command("example")
def print_example(
    model_id: Annotated[str, typer.Argument(help="The model's id.")], url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Print the example query of a model, which it accepts as it stands."""
    query = Client(url, key).get(f"/api/models/{model_id}/example-query")["example_query"]
    print(json.dumps(query, indent=2))


@app.command()
def add(
    directory: Annotated[Path, typer.Argument(help="A model directory, as `genequeue train` writes it.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Serve a trained model from now on: running workers and API take it up within seconds."""
    model = open_model(directory)
    with _opened(data_dir) as (settings, engine):
        storage = open_storage(settings.storage_url, Credentials(*settings.storage_keys))
        added = added_models.add(engine, storage, Catalog.open(settings.models_dir), model)
    if added.was_there:
        say(f"Version {added.version} of {model.model_id} has these very weights already: nothing to add.")
        return
    if added.version != model.version:
        say(f"Its manifest says version {model.version}, which is taken or older than the newest.")
    say(f"Added {model.model_id} version {added.version}: the default for queries in two seconds from now.")


@app.command()
def remove(
    model_id: Annotated[str, typer.Argument(help="The model's id.")],
    version: Annotated[int | None, typer.Option(help="This version only; else all that were added.")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Take no more queries for a model that was added. Its jobs finish, and their results stay."""
    with _opened(data_dir) as (settings, engine):
        removed = added_models.remove(engine, Catalog.open(settings.models_dir), model_id, version)
    numbers = ", ".join(map(str, removed.versions))
    then = "" if removed.default is None else f" The default is version {removed.default} now."
    say(f"Removed {model_id} version {numbers}: it takes no new queries.{then}")


@contextmanager
def _opened(data_dir: Path) -> Iterator[tuple[CatalogSettings, Engine]]:
    settings = added_models.settings_of(data_dir)
    engine = sync_engine(settings.database_url.get_secret_value(), pool_size=1)
    try:
        yield settings, engine
    finally:
        engine.dispose()


def _by_model(offers: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The ways to ask each model, under the model's own id."""
    models: dict[str, list[dict[str, Any]]] = {}
    for offer in offers:
        models.setdefault(offer["base_model_id"], []).append(offer)
    return models
