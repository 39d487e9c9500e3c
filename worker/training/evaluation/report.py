"""Which figures are taken of which model, and the shape in which they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.queries.spec import Modality
from worker.inference.checkpoint import ModelSheet
from worker.inference.network import ExpressionNetwork
from worker.training.dataset import Dataset
from worker.training.evaluation.figures import Figure
from worker.training.evaluation.markers import marker_figures, promise_figures, sex_figures
from worker.training.evaluation.predictor import Predictor
from worker.training.evaluation.profiles import gtex_figures, profile_figures
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
    """All figures of one model, as `metrics.json` keeps them."""
    subject = Subject(Predictor(network.eval()), data, positions)
    figures = [figure.to_json() for figure in _figures(sheet, subject, artefacts)]
    return {"model_id": sheet.model_id, "version": sheet.version, "figures": figures}


def _figures(sheet: ModelSheet, subject: Subject, artefacts: Artefacts) -> Iterator[Figure]:
    yield from profile_figures(subject)
    yield from gtex_figures(subject, artefacts)
    yield from promise_figures(subject)
    yield from marker_figures(subject)
    yield from sex_figures(subject)
    if sheet.modality == Modality.SINGLE_CELL:
        yield from cell_figures(subject)
        return
    yield from response_figures(subject)
    yield combination_figure(subject)
    yield unknown_figure(subject)
    yield from spread_figures(subject)
