"""Which figures are taken of which model, and the shape in which they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.queries.spec import Modality
from worker.inference.checkpoint import ModelSheet
from worker.inference.network import ExpressionNetwork
from worker.training.dataset import Dataset
from worker.training.evaluation.covariance import covariance_figures
from worker.training.evaluation.figures import Figure
from worker.training.evaluation.goals import judged
from worker.training.evaluation.markers import leak_figures, marker_figures, promise_figures, sex_figures
from worker.training.evaluation.predictor import Predictor
from worker.training.evaluation.profiles import gtex_figures, profile_figures
from worker.training.evaluation.recognition import recognition_figures
from worker.training.evaluation.reference import reference_figures
from worker.training.evaluation.responses import combination_figure, response_figures, unknown_figure
from worker.training.evaluation.spread import cell_figures, spread_figures
from worker.training.evaluation.subject import Subject
from worker.training.fetch import Artefacts


def evaluate(
    sheet: ModelSheet,
    network: ExpressionNetwork,
    data: Dataset,
    positions: NDArray[np.int64],
    artefacts: Artefacts,
) -> dict[str, Any]:
    """All figures of a starter model, as `metrics.json` keeps them."""
    subject = Subject(Predictor(network.eval()), data, positions)
    figures = starter_figures(subject, Modality(sheet.modality), artefacts)
    return metrics_of(sheet.model_id, sheet.version, figures)


def metrics_of(model_id: str, version: int, figures: Iterable[Figure]) -> dict[str, Any]:
    """Figures with their goals, as `metrics.json` keeps them."""
    return {"model_id": model_id, "version": version, "figures": [judged(figure) for figure in figures]}


def starter_figures(subject: Subject, modality: Modality, artefacts: Artefacts) -> Iterator[Figure]:
    """Every figure that public data allow, by group."""
    yield from profile_figures(subject)
    yield from gtex_figures(subject, artefacts)
    yield from promise_figures(subject)
    yield from marker_figures(subject)
    yield from sex_figures(subject)
    if modality is Modality.SINGLE_CELL:
        yield from cell_figures(subject)
        yield from recognition_figures(subject, modality, artefacts)
        return
    yield from leak_figures(subject)
    yield from response_figures(subject)
    yield combination_figure(subject)
    yield unknown_figure(subject)
    yield from reference_figures(subject)
    yield from spread_figures(subject)
    yield from covariance_figures(subject)
    yield from recognition_figures(subject, modality, artefacts)
