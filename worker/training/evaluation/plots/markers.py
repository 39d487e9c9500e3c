"""Do markers stand where they belong: a heat map of well-known genes, asked for by name alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from worker.training.evaluation.figures import Matrix
from worker.training.evaluation.markers import CELL_MARKERS, TISSUE_MARKERS
from worker.training.evaluation.plots.style import DENSITY, GENERATED, headline, page
from worker.training.evaluation.profiles import CELL_TYPE, TISSUE
from worker.training.evaluation.subject import Subject
from worker.training.sources.protein_atlas import CELL_TYPES, TISSUES

PANELS = (
    ("tissues", TISSUE, TISSUES, TISSUE_MARKERS),
    ("cell types", CELL_TYPE, CELL_TYPES, CELL_MARKERS),
)


def markers_plot(subject: Subject) -> Figure:
    """Tissues by their markers, and cell types by theirs."""
    figure, panels = page(len(PANELS), size=(6.2, 4.7))
    for axes, (kind, field, source, markers) in zip(panels, PANELS, strict=True):
        labels = subject.predictor.network.vocabulary.field(field).terms
        terms = sorted(set(subject.data.labels[field].iloc[subject.rows(source)]))
        levels = np.log1p(subject.predictor.mean([{field: (term,)} for term in terms]))
        levels = levels[:, [subject.by_symbol[gene] for gene in markers]]
        shown = list(dict.fromkeys(markers.values()))
        rows = levels[[terms.index(term) for term in shown]]
        image = draw_markers(axes, rows, [labels[term].label for term in shown], markers, shown)
        figure.colorbar(image, ax=axes, label="log1p CPM", shrink=0.85, pad=0.02)
        own = [
            terms[best] == term for best, term in zip(levels.argmax(axis=0), markers.values(), strict=True)
        ]
        axes.set_title(f"{sum(own)} of {len(own)} highest in their own of all {len(terms)} {kind}")
    headline(
        figure,
        "Well-known markers, framed where they belong; each tissue and cell type asked for by its name alone",
    )
    return figure


def draw_markers(
    axes: Axes, levels: Matrix, names: list[str], markers: Mapping[str, str], terms: list[str]
) -> AxesImage:
    """Levels [terms, genes]; a frame where a marker belongs."""
    image = axes.imshow(levels, aspect="auto", cmap=DENSITY, vmin=0, interpolation="nearest")
    axes.set_xticks(range(len(markers)), list(markers), rotation=55, ha="right", style="italic")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for column, term in enumerate(markers.values()):
        corner = (column - 0.5, terms.index(term) - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=GENERATED, linewidth=1.8))
    return image
