"""Real and generated samples side by side in two dimensions: principal components of the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from worker.training.evaluation.figures import Matrix
from worker.training.evaluation.plots.style import COLOURS, INK, headline, page
from worker.training.evaluation.profiles import CELL_TYPE
from worker.training.evaluation.spread import CELL_COUNTS
from worker.training.evaluation.subject import Subject
from worker.training.samples import SampleKind
from worker.training.sources import macrophage
from worker.training.sources.protein_atlas import CELL_TYPES

COMPONENTS = 20  # in which the nearest real sample is looked for
SHOWN_CELLS = {
    "B cell": "CL:0000236",
    "T cell": "CL:0000084",
    "natural killer cell": "CL:0000623",
    "macrophage": "CL:0000235",
    "hepatocyte": "CL:0000182",
    "cardiac muscle cell": "CL:0000746",
    "fibroblast": "CL:0000057",
    "astrocyte": "CL:0000127",
}
CELLS_OF_A_TYPE = 40
# Of the two studies of lymphoblastoid lines the model is not told.
KINDS = {
    "airway": "airway smooth muscle",
    "macrophage": "macrophages",
    "pickrell": "lymphoblastoid lines",
    "montgomery": "lymphoblastoid lines",
    "k562": "K562",
    "lncap": "LNCaP",
    "tb_hiv": "whole blood, HIV",
}
TREATMENTS = {"": "naive", macrophage.IFNG: "IFN-gamma", macrophage.SALMONELLA: "Salmonella"}


@dataclass(frozen=True, slots=True)
class Cloud:
    """Logarithms [samples, genes] of real and of generated samples, and the group that each belongs to."""

    real: Matrix
    made: Matrix
    real_groups: Sequence[str]
    made_groups: Sequence[str]

    def projected(self) -> Cloud:
        """The same samples on the principal components of the real ones."""
        centre = self.real.mean(axis=0)
        _, _, axes = np.linalg.svd(self.real - centre, full_matrices=False)
        axes = axes[:COMPONENTS].T
        places = (self.real - centre) @ axes, (self.made - centre) @ axes
        return replace(self, real=places[0], made=places[1])

    def among_their_own(self) -> float:
        """Share of the generated samples whose nearest real one is of the same group."""
        nearest = np.linalg.norm(self.made[:, None] - self.real[None], axis=2).argmin(axis=1)
        own = [
            self.real_groups[place] == group for place, group in zip(nearest, self.made_groups, strict=True)
        ]
        return float(np.mean(own))


def samples_plot(subject: Subject) -> Figure:
    """All samples with read counts by kind, those of one study by treatment; a generated one for each."""
    figure, panels = page(2, size=(5.2, 4.6))
    clouds = (kind_cloud(subject), treatment_cloud(subject))
    for axes, cloud, group in zip(panels, clouds, ("kind", "treatment"), strict=True):
        projected = cloud.projected()
        draw_cloud(axes, projected)
        share = projected.among_their_own()
        axes.set_title(f"{share:.0%} of generated samples lie nearest\nto a real one of their own {group}")
    headline(figure, "A generated sample for each real one, on the principal components of the real ones")
    return figure


def cells_plot(subject: Subject) -> Figure:
    """Cells as they are drawn around the published averages of their types."""
    figure, (axes,) = page(1, size=(6.4, 4.8))
    cloud = cell_cloud(subject).projected()
    draw_cloud(axes, cloud)
    share = cloud.among_their_own()
    axes.set_title(f"{share:.0%} of generated cells lie nearest to the average of their own type")
    headline(
        figure,
        f"{CELLS_OF_A_TYPE} cells of {CELL_COUNTS:,} counts of each type, and its published average",
    )
    return figure


def kind_cloud(subject: Subject) -> Cloud:
    """Every sample with read counts, by what it is."""
    kinds = subject.data.labels["kind"]
    rows = np.flatnonzero((kinds == SampleKind.COUNTS).to_numpy())
    sources = subject.data.labels["source"].iloc[rows]
    return _cloud(subject, rows.tolist(), [KINDS.get(source, source) for source in sources])


def treatment_cloud(subject: Subject) -> Cloud:
    """The macrophages, by what was done to them."""
    rows = subject.rows(macrophage.SOURCE)
    treatments = subject.data.labels["perturbation_ontology_id"].iloc[rows]
    return _cloud(subject, rows.tolist(), [TREATMENTS.get(each, "both") for each in treatments])


def cell_cloud(subject: Subject) -> Cloud:
    """Averages of cell types, and cells drawn of each."""
    rows = subject.rows(CELL_TYPES)
    terms = subject.data.labels[CELL_TYPE].iloc[rows].tolist()
    places = [rows[terms.index(term)] for term in SHOWN_CELLS.values()]
    shared = subject.measured[places].all(axis=0) & subject.coding
    made = [
        subject.predictor.samples({CELL_TYPE: (term,)}, CELLS_OF_A_TYPE, CELL_COUNTS, noise=False)[:, shared]
        for term in SHOWN_CELLS.values()
    ]
    names = list(SHOWN_CELLS)
    return Cloud(
        _logarithm(subject.cpm[places][:, shared], CELL_COUNTS),
        _logarithm(np.rint(np.concatenate(made)), CELL_COUNTS),
        names,
        [name for name in names for _ in range(CELLS_OF_A_TYPE)],
    )


def draw_cloud(axes: Axes, cloud: Cloud) -> None:
    """A projected cloud: dots for real samples, crosses for generated ones, a colour for each group."""
    groups = list(dict.fromkeys(cloud.real_groups))
    for group, colour in zip(groups, COLOURS, strict=False):
        of_real = np.array([each == group for each in cloud.real_groups])
        of_made = np.array([each == group for each in cloud.made_groups])
        x, y = cloud.made[of_made, :2].T
        axes.scatter(x, y, s=26, color=colour, marker="x", linewidths=1.1)
        alone = of_real.sum() == 1
        x, y = cloud.real[of_real, :2].T
        dots = axes.scatter(x, y, s=40, color=colour, label=group, alpha=None if alone else 0.4, zorder=3)
        dots.set_edgecolor(INK if alone else "none")
    axes.set(xlabel="principal component 1", ylabel="principal component 2")
    kinds = [
        Line2D([], [], color=INK, marker=marker, linestyle="", label=name)
        for marker, name in (("o", "real"), ("x", "generated"))
    ]
    handles, _ = axes.get_legend_handles_labels()
    axes.legend(handles=[*handles, *kinds], loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)


def _cloud(subject: Subject, rows: Sequence[int], groups: Sequence[str]) -> Cloud:
    """Real samples, and for each a generated one of the same labels and depth; genes that all measured."""
    shared = subject.measured[rows].all(axis=0) & subject.coding
    queries = [subject.query(row) for row in rows]
    made = subject.predictor.generated(queries, subject.data.depth[rows])
    real, generated = (_logarithm(values[:, shared], 1_000_000) for values in (subject.cpm[rows], made))
    return Cloud(real, generated, groups, groups)


def _logarithm(values: Matrix, total: int) -> Matrix:
    """log1p of each row scaled to a total."""
    scaled: Matrix = np.log1p(values / values.sum(axis=1, keepdims=True) * total)
    return scaled
