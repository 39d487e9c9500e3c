"""From sources to the two starter checkpoints: the order of the stages, and what a person sees meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from shared.catalog import Gene
from shared.ontology.terms import Ontologies
from worker.inference.checkpoint import save_checkpoint
from worker.inference.network import Architecture, ExpressionNetwork
from worker.training.calibrate import calibrate
from worker.training.card import write_card
from worker.training.dataset import Dataset, build
from worker.training.display import TrainingDisplay
from worker.training.evaluation.report import evaluate
from worker.training.export import cut_down
from worker.training.fetch import Artefacts
from worker.training.sheets import STARTER_MODELS, StarterModel
from worker.training.trainer import TrainingPlan, train
from worker.training.vocabulary import vocabulary_of


def train_starter(cache: Path, out: Path, plan: TrainingPlan, console: Console) -> None:
    """Fetch, build, train, calibrate, evaluate, and write each model's directory below `out`."""
    with _stage(console, "data set"):
        artefacts = Artefacts(cache)
        data = build(artefacts)
        vocabulary = vocabulary_of(data.labels[~data.held_out], Ontologies.open())
    console.print(
        f"{data.table.n_obs} samples, {data.table.n_vars} genes, {int(data.held_out.sum())} held out"
    )
    with _stage(console, "training"), TrainingDisplay(console, plan.steps) as display:
        network = train(data, vocabulary, Architecture(), plan, display.advance)
    with _stage(console, "calibration"):
        calibrate(network, data)
    for starter in STARTER_MODELS:
        with _stage(console, f"evaluation of {starter.sheet.model_id}"):
            write_model(starter, network, data, artefacts, out)


def write_model(
    starter: StarterModel, network: ExpressionNetwork, data: Dataset, artefacts: Artefacts, out: Path
) -> None:
    """Cut a model out of the trained network, measure it as it will be served, and write it down."""
    positions = starter.genes(data)
    model = cut_down(network, starter.vocabulary(network.vocabulary), torch.from_numpy(positions))
    with torch.no_grad():
        model.latent_log_scale.add_(math.log(starter.spread))
    model = model.half().float()  # what fp16 on disk leaves of it
    metrics = evaluate(starter.sheet, model, data, positions, artefacts)
    genes = [
        Gene(str(gene), row["symbol"], row["biotype"], int(row["length"]))
        for gene, row in data.genes.iloc[positions].iterrows()
    ]
    card = write_card(starter.sheet, model, metrics)
    save_checkpoint(out / starter.sheet.model_id, model, genes, starter.sheet, metrics, card)


@contextmanager
def _stage(console: Console, name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    console.print(f"{name}: {time.monotonic() - start:.0f} s")
