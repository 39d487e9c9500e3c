"""From sources to the two starter checkpoints: the order of the stages, and what a person sees meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from numpy.typing import NDArray
from rich.console import Console

from shared.catalog import Gene
from shared.ontology.terms import Ontologies
from worker.inference.checkpoint import METRICS, save_checkpoint
from worker.inference.network import Architecture, ExpressionNetwork
from worker.training.calibrate import calibrate
from worker.training.card import write_card
from worker.training.dataset import Dataset, build
from worker.training.display import TrainingDisplay
from worker.training.evaluation.goals import judged
from worker.training.evaluation.left_out import GROUP as LEFT_OUT
from worker.training.evaluation.left_out import left_out_figures
from worker.training.evaluation.report import evaluate
from worker.training.export import cut_down
from worker.training.fetch import Artefacts
from worker.training.kinship import fit_relatives
from worker.training.recognition import RecognitionPlan, fit_recognition
from worker.training.sheets import BULK, STARTER_MODELS, StarterModel
from worker.training.trainer import TrainingPlan, train
from worker.training.vocabulary import vocabulary_of


def train_starter(
    cache: Path, out: Path, plan: TrainingPlan, console: Console, leave_out: bool = False
) -> None:
    """Fetch, build, train, finish, evaluate, and write each model's directory below `out`.

    With `leave_out`, networks are trained without some tissues as well, to be asked for them; without it, the
    figures of that stay as an earlier run left them.
    """
    with stage(console, "data set"):
        artefacts = Artefacts(cache)
        data = build(artefacts)
        vocabulary = vocabulary_of(data.labels[~data.held_out], Ontologies.open())
    console.print(
        f"{data.table.n_obs} samples, {data.table.n_vars} genes, {int(data.held_out.sum())} held out"
    )
    with stage(console, "training"), TrainingDisplay(console, plan.steps) as display:
        network = train(data, vocabulary, Architecture(), plan, display.advance)
    left_out = kept_left_out(out)
    if leave_out:
        with stage(console, "tissues left out in turn"):
            left_out = [judged(figure) for figure in left_out_figures(data)]
    finish_starter(network, data, artefacts, out, console, left_out)


def finish_starter(
    network: ExpressionNetwork,
    data: Dataset,
    artefacts: Artefacts,
    out: Path,
    console: Console,
    left_out: Sequence[Mapping[str, object]],
) -> None:
    """All that follows training, in closed form or with the decoder as it is."""
    with stage(console, "calibration"):
        calibrate(network, data)
        fit_relatives(network, data)
    for starter in STARTER_MODELS:
        positions = starter.genes(data)
        with stage(console, f"encoder of {starter.sheet.model_id}"):
            model = _exported(starter, network, data, positions)
        with stage(console, f"evaluation of {starter.sheet.model_id}"):
            metrics = evaluate(starter.sheet, model, data, positions, artefacts)
            if starter is BULK:
                metrics["figures"] += left_out
            _write(starter, model, data, positions, metrics, out / starter.sheet.model_id)


def kept_left_out(out: Path) -> list[Mapping[str, object]]:
    """The figures of tissues left out, as the models below `out` have them from an earlier run."""
    path = out / BULK.sheet.model_id / METRICS
    figures = orjson.loads(path.read_bytes()).get("figures", []) if path.exists() else []
    return [figure for figure in figures if figure["group"] == LEFT_OUT]


def _exported(
    starter: StarterModel, network: ExpressionNetwork, data: Dataset, positions: NDArray[np.int64]
) -> ExpressionNetwork:
    """A model cut out of the trained network, with an encoder of its own, as fp16 on disk leaves it."""
    model = cut_down(network, starter.vocabulary(network.vocabulary), torch.from_numpy(positions))
    with torch.no_grad():
        model.latent_log_scale.add_(math.log(starter.spread))
    fit_recognition(model, data, positions, RecognitionPlan(starter.reads))
    return model.half().float()


def _write(
    starter: StarterModel,
    model: ExpressionNetwork,
    data: Dataset,
    positions: NDArray[np.int64],
    metrics: Mapping[str, Any],
    directory: Path,
) -> None:
    genes = [
        Gene(str(gene), row["symbol"], row["biotype"], int(row["length"]))
        for gene, row in data.genes.iloc[positions].iterrows()
    ]
    card = write_card(starter.sheet, model, metrics)
    save_checkpoint(directory, model, genes, starter.sheet, metrics, card)


@contextmanager
def stage(console: Console, name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    console.print(f"{name}: {time.monotonic() - start:.0f} s")
