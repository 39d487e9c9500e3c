"""Which pictures there are of a starter model, under which names and captions; draws and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from shared.queries.spec import Modality
from worker.training.evaluation.plots.markers import markers_plot
from worker.training.evaluation.plots.profiles import profiles_plot
from worker.training.evaluation.plots.projection import cells_plot, samples_plot
from worker.training.evaluation.plots.recognition import recognition_plot
from worker.training.evaluation.plots.responses import responses_plot
from worker.training.evaluation.plots.spread import spread_plot
from worker.training.evaluation.plots.style import look, write
from worker.training.evaluation.profiles import TISSUE
from worker.training.evaluation.recognised import recognised
from worker.training.evaluation.recognition import BULK_READS, CELL_READS, counted
from worker.training.evaluation.subject import Subject
from worker.training.fetch import Artefacts
from worker.training.sources import genes, gtex

FOLDER = "plots"


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture: the stem of its file, what a person should see in it, and how it is drawn."""

    name: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture that was written."""

    file: str
    caption: str


def starter_plots(subject: Subject, modality: Modality, artefacts: Artefacts) -> Iterator[Plot]:
    """The pictures of a starter model, in the order of its card."""
    yield Plot(
        "profiles",
        "Predicted against observed expression of every profile that the model was trained on (in sample).",
        lambda: profiles_plot(subject),
    )
    if modality is Modality.BULK:
        yield Plot(
            "perturbations",
            "Predicted against observed changes in donors that no model was trained on.",
            lambda: responses_plot(subject),
        )
    yield Plot(
        "markers",
        "Well-known markers in the tissues and cell types they mark.",
        lambda: markers_plot(subject),
    )
    if modality is Modality.BULK:
        yield Plot(
            "spread", "Mean and variance of generated and of real replicates.", lambda: spread_plot(subject)
        )
        yield Plot(
            "samples", "Real and generated samples, principal components.", lambda: samples_plot(subject)
        )
    else:
        yield Plot("cells", "Generated cells around the published averages.", lambda: cells_plot(subject))
    yield Plot(
        "recognition",
        "What the model takes GTEx's tissues for, which judge it only.",
        lambda: _gtex_recognition(subject, modality, artefacts),
    )


def draw_plots(plots: Iterable[Plot], folder: Path) -> list[Drawn]:
    """Write every picture into a folder."""
    drawn = []
    for plot in plots:
        with look():
            write(plot.draw(), folder / f"{plot.name}.png")
        drawn.append(Drawn(f"{plot.name}.png", plot.caption))
    return drawn


def _gtex_recognition(subject: Subject, modality: Modality, artefacts: Artefacts) -> Figure:
    samples = gtex.load_judges(artefacts, genes.load(artefacts))
    values = samples.values.reindex(subject.genes.index).fillna(0.0).to_numpy(dtype=np.float32).T
    counts = counted(values, BULK_READS if modality is Modality.BULK else CELL_READS)
    found = recognised(subject.predictor, counts, TISSUE, samples.labels[TISSUE].tolist())
    terms = subject.predictor.network.vocabulary.field(TISSUE).terms
    return recognition_plot(
        found,
        {term: entry.label for term, entry in terms.items()},
        "tissues of GTEx, which judge the model only,",
    )
