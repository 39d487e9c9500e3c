"""`genequeue evaluate`: becomes the training room's own process, for the commands know no torch."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import ModelNotFound, SetupError
from shared.settings import MODELS_OF_THIS_CHECKOUT

MANIFEST = "manifest.json"
NEEDED = ("torch", "matplotlib", "rdata", "sklearn")


def evaluate(
    model: Annotated[str, typer.Argument(help="A model directory, or the id of a starter model.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="An h5ad file to judge it by; repeat it for several.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write metrics.json, pictures and the card here.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep the public data here, and look here first: works offline.")
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Also train without 16 tissues, to predict them: minutes.")
    ] = False,
) -> None:
    """Print a model's figures beside baselines and ceilings; draw them into a folder if asked to."""
    directory = directory_of(model)
    if any(find_spec(name) is None for name in NEEDED):
        raise SetupError("Evaluating needs the extra `train`: pip install 'genequeue[train]'.")
    arguments = [str(directory)]
    for path in data or ():
        arguments += ["--data", str(path)]
    for option, value in (("--out", out), ("--cache", cache)):
        arguments += [option, str(value)] if value is not None else []
    arguments += ["--leave-out"] if leave_out else []
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "worker.training", "evaluate", *arguments])


def directory_of(model: str) -> Path:
    """The directory that was named, or that of an id in the models folder. Raises ModelNotFound."""
    folder = Path(os.environ.get("GENEQUEUE_MODELS_DIR") or MODELS_OF_THIS_CHECKOUT)
    for directory in (Path(model), folder / model):
        if (directory / MANIFEST).is_file():
            return directory
    known = ", ".join(sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))) or "none"
    raise ModelNotFound(
        f"{model} is neither a model directory nor the id of a model in {folder}, which holds: {known}. Name "
        "the directory that `genequeue train` wrote."
    )
