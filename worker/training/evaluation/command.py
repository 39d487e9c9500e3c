"""`evaluate`: a model's figures and pictures, on the public data of the starters or on a user's own files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import pandas as pd
import torch
import typer
from rich.console import Console

from shared.catalog import Model, open_model
from shared.errors import GeneQueueError, InvalidInput
from shared.ontology.terms import Ontologies
from shared.queries.spec import SamplingStrategy
from worker.inference.checkpoint import CARD, METRICS, READABLE, load_network
from worker.inference.network import ExpressionNetwork
from worker.training.card import write_card, write_report
from worker.training.dataset import build
from worker.training.evaluation.figures import Figure
from worker.training.evaluation.left_out import GROUP as LEFT_OUT
from worker.training.evaluation.left_out import left_out_figures
from worker.training.evaluation.own_data import own_data
from worker.training.evaluation.own_figures import own_figures
from worker.training.evaluation.plots.gallery import FOLDER, Drawn, Plot, draw_plots, starter_plots
from worker.training.evaluation.plots.own_data import own_plots
from worker.training.evaluation.predictor import Predictor
from worker.training.evaluation.report import metrics_of, starter_figures
from worker.training.evaluation.subject import Subject
from worker.training.evaluation.table import figures_table, tally
from worker.training.fetch import Artefacts
from worker.training.lab.check import check
from worker.training.lab.report import complain
from worker.training.lab.request import LabRequest
from worker.training.lab.table import LabData
from worker.training.sheets import STARTER_MODELS

REPORT = "evaluation.md"
WIDTH = 132  # of the table in a log


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to evaluate, on which files (none: the public data, from `cache`), and where to write."""

    model: Path
    data: tuple[Path, ...]
    cache: Path
    out: Path | None
    leave_out: bool


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What can be said of a model on some data; figures and pictures are made as they are read.

    `kept` are figures of an earlier run that would take too long to take again.
    """

    figures: Iterable[Figure]
    plots: Iterable[Plot]
    kept: Sequence[Mapping[str, object]] = ()


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model directory.")],
    data: Annotated[list[Path] | None, typer.Option(help="h5ad files to judge it by.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write figures, pictures and card.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the public data.")] = Path("~/.cache/genequeue"),
    leave_out: Annotated[bool, typer.Option("--leave-out", help="Also train without 16 tissues.")] = False,
) -> None:
    """Measure a model."""
    request = EvaluationRequest(model, tuple(data or ()), cache.expanduser(), out, leave_out)
    try:
        evaluate_model(request, Console(width=None if sys.stdout.isatty() else WIDTH))
    except GeneQueueError as error:
        complain(error)
        raise typer.Exit(1) from error


def evaluate_model(request: EvaluationRequest, console: Console) -> None:
    """Print the figures; with `out`, write them with pictures and card. Raises GeneQueueError."""
    model = open_model(request.model)
    network = load_network(model, torch.device("cpu"))
    if request.data:
        evaluation = _on_own_data(request, model, network)
    else:
        evaluation = _on_public_data(request, model, network)
    metrics = metrics_of(model.model_id, model.version, evaluation.figures)
    metrics["figures"] += evaluation.kept
    console.print(f"[bold]{model.model_id}[/], version {model.version}", highlight=False)
    console.print(figures_table(metrics["figures"]))
    console.print(tally(metrics["figures"]), highlight=False)
    if request.out is not None:
        drawn = draw_plots(evaluation.plots, request.out / FOLDER)
        _write(request, model, network, metrics, drawn)
        console.print(f"{METRICS}, {len(drawn)} pictures and the card are in {request.out}", highlight=False)


def _on_public_data(request: EvaluationRequest, model: Model, network: ExpressionNetwork) -> Evaluation:
    if model.model_id not in {starter.sheet.model_id for starter in STARTER_MODELS}:
        raise InvalidInput(
            f"{model.model_id} is not a starter model, whose figures are taken on public data. Name samples "
            "to judge it by: --data my.h5ad."
        )
    artefacts = Artefacts(request.cache)
    data = build(artefacts)
    positions = data.genes.index.get_indexer(pd.Index(model.gene_order)).astype(np.int64)
    if (positions < 0).any():
        raise InvalidInput(
            f"{model.directory} has {(positions < 0).sum()} genes that the public data lack: it was trained "
            "on other data. Train the starter models again, or name samples: --data my.h5ad."
        )
    subject, modality = Subject(Predictor(network), data, positions), model.manifest.modality
    figures, plots = (
        starter_figures(subject, modality, artefacts),
        starter_plots(subject, modality, artefacts),
    )
    if request.leave_out:
        return Evaluation(chain(figures, left_out_figures(data)), plots)
    return Evaluation(figures, plots, _left_out_before(model.directory))


def _left_out_before(directory: Path) -> list[Mapping[str, object]]:
    path = directory / METRICS
    kept = orjson.loads(path.read_bytes()).get("figures", []) if path.exists() else []
    return [figure for figure in kept if figure["group"] == LEFT_OUT]


def _on_own_data(request: EvaluationRequest, model: Model, network: ExpressionNetwork) -> Evaluation:
    if request.leave_out:
        raise InvalidInput("--leave-out trains on the public data: leave it out, or leave out --data.")
    ontologies = Ontologies.open()
    files = tuple(map(str, request.data))
    modality = model.manifest.modality
    checked = check(
        LabRequest(data=files, model_id="evaluated", out=".", modality=modality.value), ontologies
    )
    data = LabData(checked, np.zeros(len(checked.labels), bool)).in_memory()
    own = own_data(network, model.gene_order, data, ontologies)
    generated = SamplingStrategy.SAMPLE_GENERATION in model.manifest.sampling_strategies
    return Evaluation(own_figures(own, generated=generated), own_plots(own, generated=generated))


def _write(
    request: EvaluationRequest,
    model: Model,
    network: ExpressionNetwork,
    metrics: Mapping[str, Any],
    drawn: Sequence[Drawn],
) -> None:
    assert request.out is not None
    card = (
        write_report(model.manifest, request.data, metrics, drawn)
        if request.data
        else write_card(model.manifest, network, metrics, drawn)
    )
    (request.out / METRICS).write_bytes(orjson.dumps(metrics, option=READABLE | orjson.OPT_SORT_KEYS))
    (request.out / (REPORT if request.data else CARD)).write_text(card)
