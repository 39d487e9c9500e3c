"""`python -m worker.training`: trains the starter models, or a model of a user's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.errors import GeneQueueError
from worker.training.evaluation.command import evaluate
from worker.training.hardware import fabric_for
from worker.training.interruption import EXIT_STATUS
from worker.training.lab.report import complain
from worker.training.lab.request import LabRequest
from worker.training.lab.train import train_lab
from worker.training.starter import train_starter
from worker.training.trainer import TrainingPlan

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(evaluate)


@app.command()
def starter(
    cache: Annotated[
        Path, typer.Option(help="Folder of the source files; fetched into it where absent.")
    ] = Path("~/.cache/genequeue"),
    out: Annotated[Path, typer.Option(help="Folder to write the model directories into.")] = Path("models"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = TrainingPlan().steps,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave tissues out in turn as well; takes as long again.")
    ] = False,
) -> None:
    """Train the two starter models, gem-1-bulk and gem-1-sc, on pinned public data."""
    try:
        train_starter(cache.expanduser(), out, TrainingPlan(steps=steps, seed=seed), Console(), leave_out)
    except GeneQueueError as error:
        complain(error)
        raise typer.Exit(1) from error


@app.command()
def lab(request: Annotated[str, typer.Argument(help="A LabRequest as JSON.")]) -> None:
    """Train a model on a user's own files."""
    try:
        wanted = LabRequest.from_json(json.loads(request))
        fabric = fabric_for(wanted.device, wanted.devices)
        done = train_lab(wanted, fabric, Console(quiet=not fabric.is_global_zero))
    except GeneQueueError as error:
        complain(error)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        done = False
    raise typer.Exit(0 if done else EXIT_STATUS)


if __name__ == "__main__":
    app()
