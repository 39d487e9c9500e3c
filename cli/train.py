"""`genequeue train`: starts the training room as a process of its own, for the commands know no torch."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import SetupError

app = typer.Typer(help="Train models.", no_args_is_help=True)


@app.command()
def starter(
    out: Annotated[Path, typer.Option(help="Where the model directories go.")] = Path("models"),
    cache: Annotated[
        Path | None, typer.Option(help="Keep downloaded data here, and look here first: works offline.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights on the same machine.")] = 0,
) -> None:
    """Train gem-1-bulk and gem-1-sc from public data, evaluate them and write their directories."""
    if find_spec("torch") is None or find_spec("rdata") is None:
        raise SetupError("Training needs the extra `train`: pip install 'genequeue[train]'.")
    command = [sys.executable, "-m", "worker.training", "starter", "--out", str(out), "--seed", str(seed)]
    if cache is not None:
        command += ["--cache", str(cache)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
