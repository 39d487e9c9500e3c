"""From a user's files to a model directory: the order of the stages, and what a person sees meanwhile."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.markup import escape

from shared.catalog import MANIFEST, Gene
from shared.errors import SetupError
from shared.ontology.terms import Ontologies
from shared.queries.spec import Modality
from worker.inference.checkpoint import save_checkpoint
from worker.inference.network import Architecture, ExpressionNetwork
from worker.training.display import TrainingDisplay
from worker.training.evaluation.held_out import evaluate_held_out
from worker.training.lab.check import Checked, check
from worker.training.lab.finish import finish
from worker.training.lab.report import print_report
from worker.training.lab.request import LabRequest
from worker.training.lab.sheet import card_of, sheet_of
from worker.training.lab.split import held_out
from worker.training.lab.table import LabData
from worker.training.run import Run
from worker.training.trainer import Trainer, TrainingPlan
from worker.training.vocabulary import vocabulary_of

FOLDER = ".training"
FEWEST_STEPS, MOST_STEPS, STEPS_PER_ROOT = 1200, 20_000, 90.0


def train_lab(request: LabRequest, fabric: Fabric, console: Console) -> bool:
    """Check, train, finish, judge, write. False where somebody interrupted: the training is kept."""
    out = Path(request.out)
    if (out / MANIFEST).exists():
        raise SetupError(
            f"{out} holds a model already. Choose another folder with --out, or remove that one."
        )
    ontologies = Ontologies.open()
    with _stage(console, "check"):
        checked = check(request, ontologies)
    print_report(checked, ontologies, console)
    data = LabData(checked, held_out(checked.labels, request.hold_out, request.seed))
    trainer = _trained(request, checked, data, fabric, console)
    if trainer is None or not fabric.is_global_zero:
        return trainer is not None
    with _stage(console, "spread and encoder"):
        network = finish(trainer.network.cpu().eval(), data.in_memory(), request.seed)
    with _stage(console, "held-out samples, and writing"):
        metrics = _write(request, checked, data, network)
    _tell(request, metrics, console)
    return True


def plan_for(request: LabRequest, samples: int) -> TrainingPlan:
    """How long to train on so many samples: some 2 minutes for 24 on two cores, growing with their root."""
    grown = FEWEST_STEPS + STEPS_PER_ROOT * math.sqrt(samples)
    return TrainingPlan(
        steps=request.steps or int(min(grown, MOST_STEPS)),
        batch_size=request.batch_size or int(min(48, max(8, samples))),
        seed=request.seed,
        threads=request.threads or min(8, torch.get_num_threads()),
    )


def architecture_for(samples: int) -> Architecture:
    """Sizes that so many samples can fill."""
    full = Architecture()
    narrow = 1 if samples >= full.rank else 2
    return Architecture(
        embedding=full.embedding // narrow,
        hidden=full.hidden // narrow,
        rank=max(4, min(full.rank, samples)),
        residual=max(1, min(full.residual, samples // 4)),
        projection=max(8, min(full.projection, samples)),
        biological=max(8, min(full.biological, samples)),
        technical=max(4, min(full.technical, samples)),
        perturbation=max(4, min(full.perturbation, samples)),
    )


def _trained(
    request: LabRequest, checked: Checked, data: LabData, fabric: Fabric, console: Console
) -> Trainer | None:
    samples = int((~data.held_out).sum())
    plan, architecture = plan_for(request, samples), architecture_for(samples)
    settings = {
        "data": checked.digest,
        **request.settings,
        **asdict(plan),
        **asdict(architecture),
        "precision": str(fabric._precision.precision),
        "processes": fabric.world_size,
    }
    run = Run(Path(request.out, FOLDER), settings, timedelta(minutes=request.save_minutes))
    run.prepare(request.resume)
    console.print(
        f"{samples:,} samples to train on, {int(data.held_out.sum()):,} held out; {plan.steps:,} steps of "
        f"{plan.batch_size} on {fabric.world_size} x {fabric.device}.",
        highlight=False,
    )
    with _stage(console, "start"):
        vocabulary = vocabulary_of(data.labels[~data.held_out], Ontologies.open())
        trainer = Trainer(data, vocabulary, architecture, plan, fabric)
        run.take_up(trainer, request.resume)
    with _stage(console, "training"), TrainingDisplay(console, plan.steps, trainer.step) as display:
        done = run.train(trainer, display.advance)
    if not done:
        console.print(
            f"Stopped after step {trainer.step:,} of {plan.steps:,}; what was learnt is kept in "
            f"{run.folder}. Carry on with the same command and --resume.",
            highlight=False,
            soft_wrap=True,
        )
    return trainer if done else None


def _write(
    request: LabRequest, checked: Checked, data: LabData, network: ExpressionNetwork
) -> dict[str, Any]:
    by_condition = request.modality == Modality.SINGLE_CELL
    figures = [each.to_json() for each in evaluate_held_out(network, data, by_condition=by_condition)]
    metrics = {"model_id": request.model_id, "version": request.version, "figures": figures}
    genes = [
        Gene(str(gene), row["symbol"], row["biotype"], int(row["length"]))
        for gene, row in data.genes.iterrows()
    ]
    sheet = sheet_of(request, data, network)
    out = Path(request.out).resolve()
    try:
        save_checkpoint(out, network, genes, sheet, metrics, card_of(sheet, checked, data, metrics))
    except OSError as error:
        raise SetupError(
            f"{out} could not be written: {error.strerror}. The trained network is kept in {out / FOLDER}; "
            "make room, then repeat the command with --resume."
        ) from error
    return metrics


def _tell(request: LabRequest, metrics: dict[str, Any], console: Console) -> None:
    for figure in metrics["figures"]:
        ceiling = f", ceiling {figure['ceiling']:.3f}" if "ceiling" in figure else ""
        console.print(
            f"{figure['name']}: {figure['value']:.3f} (baseline {figure['baseline']:.3f}{ceiling})",
            highlight=False,
        )
    out = escape(shlex.quote(request.out))
    console.print(
        f"[green]{request.model_id} is ready in {out}.[/] Serve it: genequeue models add {out}",
        soft_wrap=True,
    )


@contextmanager
def _stage(console: Console, name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    console.print(f"[dim]{name}: {time.monotonic() - start:.1f} s[/]", highlight=False)
