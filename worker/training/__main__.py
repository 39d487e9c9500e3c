"""`python -m worker.training starter`: the command that trains, evaluates and writes the starter models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.errors import GeneQueueError
from worker.training.starter import train_starter
from worker.training.trainer import TrainingPlan

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def training() -> None:
    """Train models for GeneQueue."""


@app.command()
def starter(
    cache: Annotated[
        Path, typer.Option(help="Folder of the source files; fetched into it where absent.")
    ] = Path("~/.cache/genequeue"),
    out: Annotated[Path, typer.Option(help="Folder to write the model directories into.")] = Path("models"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = TrainingPlan().steps,
) -> None:
    """Train the two starter models, gem-1-bulk and gem-1-sc, on pinned public data."""
    console = Console()
    try:
        train_starter(cache.expanduser(), out, TrainingPlan(steps=steps, seed=seed), console)
    except GeneQueueError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
