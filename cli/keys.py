"""`genequeue keys`: API keys are made, listed and revoked, beside a running `up` or on any database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from cli.console import say
from cli.machine.folder import DATA_DIR, DataFolder
from shared.database.engines import sync_engine, transaction
from shared.database.keys import mint_key
from shared.database.queries.keys import DEFAULT_WORKSPACE, all_keys, ensure_workspace, revoke_key, save_key
from shared.errors import NotFound

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)

DataDir = Annotated[Path, typer.Option(help="The folder of the running `genequeue up`.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for; it is listed under this name.")],
    workspace: Annotated[str, typer.Option(help="Whose jobs it sees.")] = DEFAULT_WORKSPACE,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a key and print it as the last line. It is kept as a digest: it cannot be shown again."""
    with _engine(data_dir) as engine:
        key = create_key(engine, name, workspace)
    say(f"A key named {name!r} for the workspace {workspace!r}, shown this once:")
    print(key)


@app.command("list")
def list_keys(data_dir: DataDir = DATA_DIR) -> None:
    """List every key, without its secret part."""
    table = Table("prefix", "name", "workspace", "created", "revoked", box=None)
    with _engine(data_dir) as engine, transaction(engine) as session:
        for key, workspace in session.execute(all_keys()):
            revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
            table.add_row(key.prefix, key.name, workspace, f"{key.created_at:%Y-%m-%d %H:%M}", revoked)
    Console(highlight=False).print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The prefix or the name of the keys to revoke.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Revoke keys by prefix or name; they are refused from then on."""
    with _engine(data_dir) as engine, transaction(engine) as session:
        revoked = session.scalars(revoke_key(key)).all()
    if not revoked:
        raise NotFound(f"No live key has the prefix or name {key!r}. See `genequeue keys list`.")
    say(f"Revoked: {', '.join(revoked)}")


def create_key(engine: Engine, name: str, workspace: str = DEFAULT_WORKSPACE) -> str:
    """A new key in plain text; the database keeps its digest only."""
    key = mint_key()
    with transaction(engine) as session:
        workspace_id = session.scalars(ensure_workspace(workspace)).one()
        session.execute(save_key(workspace_id, name, key))
    return key.plain


def create_first_key(engine: Engine) -> str | None:
    """A key for a database that has none; None where there is one, revoked or not."""
    with transaction(engine) as session:
        if session.execute(all_keys()).first() is not None:
            return None
    return create_key(engine, name="first")


@contextmanager
def _engine(data_dir: Path) -> Iterator[Engine]:
    url = os.environ.get("GENEQUEUE_DATABASE_URL") or DataFolder(data_dir.resolve()).read_state().database_url
    engine = sync_engine(url, pool_size=1)
    try:
        yield engine
    finally:
        engine.dispose()
