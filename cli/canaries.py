"""`genequeue canaries`: what devices answered to the same question, and forgetting what a broken one said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from cli.console import say
from cli.doctor.installation import find_installation
from cli.keys import DataDir
from cli.machine.folder import DATA_DIR
from shared.database.engines import transaction
from shared.database.queries.canaries import all_canaries, forget_canaries
from shared.errors import NotFound

app = typer.Typer(help="What devices answered to the same question: list, forget.", no_args_is_help=True)


@app.command("list")
def list_canaries(data_dir: DataDir = DATA_DIR) -> None:
    """List what each device answered; devices of a kind must agree on a version of a model."""
    table = Table("model", "version", "kind", "device", "answer", "told", box=None)
    with _session(data_dir) as session:
        for each in session.scalars(all_canaries()):
            told = f"{each.told_at:%Y-%m-%d %H:%M}"
            version = str(each.model_version)
            table.add_row(each.model_id, version, each.surroundings, each.witness, each.digest[:12], told)
    Console(highlight=False).print(table)


@app.command()
def forget(
    device: Annotated[str, typer.Argument(help="The device whose answers were wrong, as `list` names it.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Forget what a broken device answered, so that sound ones are not measured by it."""
    with _session(data_dir) as session:
        models = session.scalars(forget_canaries(device)).all()
    if not models:
        raise NotFound(f"No answer of {device!r} is kept. See `genequeue canaries list`.")
    say(f"Forgotten: what {device} answered for {', '.join(sorted(models))}.")


@contextmanager
def _session(data_dir: Path) -> Iterator[Session]:
    engine = find_installation(data_dir, None).engine
    try:
        with transaction(engine) as session:
            yield session
    finally:
        engine.dispose()
