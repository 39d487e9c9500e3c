"""`genequeue train`: becomes the training room's own process, for the commands know no torch."""

# ruff: noqa: ARG001 (the options of `own` are read from its context, all at once)
from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import InvalidInput, SetupError

UNNAMED = "unnamed"  # a model that is only checked for
app = typer.Typer(help="Train models: on your own h5ad files, or the starter models.")

Share = Annotated[float, typer.Option(help="Share of samples, whole donors where known, kept to judge by.")]


@app.callback(invoke_without_command=True)
def own(
    context: typer.Context,
    data: Annotated[
        list[Path] | None, typer.Option(help="An h5ad file with raw counts; repeat it for several.")
    ] = None,
    model_id: Annotated[str, typer.Option(help="What the model will be called, as my-lab-bulk.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where the model directory goes.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read the files through, and train nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Carry on with a training that was stopped.")
    ] = False,
    layer: Annotated[
        str | None, typer.Option(help="The layer of the counts, or raw; X if not given.")
    ] = None,
    modality: Annotated[str, typer.Option(help="bulk or single-cell.")] = "bulk",
    hold_out: Share = 0.1,
    title: Annotated[str | None, typer.Option(help="The model's title.")] = None,
    description: Annotated[str | None, typer.Option(help="A sentence on the model.")] = None,
    licence: Annotated[str | None, typer.Option(help="The licence of the weights.")] = None,
    version: Annotated[int, typer.Option(min=1, help="The model's version.")] = 1,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; by the samples if not given.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Samples in a step.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads on a CPU.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; a GPU if there is one.")] = None,
    devices: Annotated[int, typer.Option(min=1, help="How many GPUs.")] = 1,
    save_minutes: Annotated[float, typer.Option(min=0, help="Minutes between two saved states.")] = 5.0,
) -> None:
    """Train a model on your own samples. Ctrl-C keeps what was learnt; --resume carries on with it."""
    if context.invoked_subcommand is not None:
        return
    if not data:
        print(context.get_help())
        raise typer.Exit
    if not check and (out is None or not model_id):
        raise InvalidInput("Give the model a name and a folder: --model-id my-lab-bulk --out my-lab-bulk.")
    given = {name: value for name, value in context.params.items() if name != "check"}
    request = json.dumps({**given, "model_id": model_id or UNNAMED, "out": out or "."}, default=str)
    if check:
        _become("worker.training.check", request)
    _become("worker.training", "lab", request)


@app.command()
def starter(
    out: Annotated[Path, typer.Option(help="Where the model directories go.")] = Path("models"),
    cache: Annotated[
        Path | None, typer.Option(help="Keep downloaded data here, and look here first: works offline.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights on the same machine.")] = 0,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave tissues out in turn as well; takes as long again.")
    ] = False,
) -> None:
    """Train gem-1-bulk and gem-1-sc from public data, evaluate them and write their directories."""
    places = ["--out", str(out), "--seed", str(seed)]
    places += ["--cache", str(cache)] if cache else []
    places += ["--leave-out"] if leave_out else []
    _become("worker.training", "starter", *places)


def _become(module: str, *arguments: str) -> None:
    """Replace this process, so that Ctrl-C and a polite kill reach the training itself."""
    if find_spec("torch") is None or find_spec("lightning_fabric") is None or find_spec("rdata") is None:
        raise SetupError("Training needs the extra `train`: pip install 'genequeue[train]'.")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
