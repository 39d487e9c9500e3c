"""Predicted against observed: every gene of every profile of a class, as a density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from worker.training.evaluation.figures import Matrix, correlation
from worker.training.evaluation.plots.style import DENSITY, INK, headline, page
from worker.training.evaluation.profiles import CELL_TYPE, DISEASE, TISSUE
from worker.training.evaluation.subject import Subject
from worker.training.sources.protein_atlas import CANCERS, CELL_TYPES, TISSUES

CLASSES = (
    ("tissues", TISSUES, TISSUE),
    ("cell types", CELL_TYPES, CELL_TYPE),
    ("cancers", CANCERS, DISEASE),
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """One class of profiles: log1p CPM [profiles, genes] as asked of the model and as observed."""

    name: str
    predicted: Matrix
    observed: Matrix

    @property
    def r(self) -> float:
        """Mean correlation of a profile with its prediction."""
        return float(
            np.mean([correlation(*pair) for pair in zip(self.predicted, self.observed, strict=True)])
        )

    @property
    def lfc_r(self) -> float:
        """The same for the differences from the class mean."""
        mean = self.observed.mean(axis=0)
        pairs = zip(self.predicted - mean, self.observed - mean, strict=True)
        return float(np.mean([correlation(*pair) for pair in pairs]))


def profiles_plot(subject: Subject) -> Figure:
    """A column for each class that the model has a field for: profiles, and how they differ from the mean."""
    classes = agreements(subject)
    figure, panels = page(len(classes), 2, size=(3.6, 3.7))
    for column, each in enumerate(classes):
        mean = each.observed.mean(axis=0)
        profile, change = panels[column], panels[len(classes) + column]
        density(profile, each.observed, each.predicted)
        profile.set_title(f"{each.name}: r {each.r:.3f}")
        density(change, each.observed - mean, each.predicted - mean)
        change.set_title(f"LFC r {each.lfc_r:.3f}")
        profile.set(xlabel="observed, log1p CPM", ylabel="predicted, log1p CPM")
        change.set(xlabel="observed - mean of the class", ylabel="predicted - mean of the class")
    headline(figure, "In sample: profiles asked for by name alone, gene by gene (yellow: many genes)")
    return figure


def agreements(subject: Subject) -> list[Agreement]:
    """What the model answers to each term of a class, beside the profile that it was trained on."""
    known = subject.predictor.network.vocabulary.fields
    found = []
    for name, source, field in CLASSES:
        if field in known:
            rows = subject.rows(source)
            shared = subject.measured[rows].all(axis=0) & subject.coding
            asked = subject.predictor.mean([subject.query_of(row, field) for row in rows])[:, shared]
            observed = subject.cpm[rows][:, shared]
            scaled = asked / asked.sum(axis=1, keepdims=True) * observed.sum(axis=1, keepdims=True)
            found.append(Agreement(f"{len(rows)} {name}", np.log1p(scaled), np.log1p(observed)))
    return found


def density(
    axes: Axes, observed: Matrix | NDArray[np.float64], predicted: Matrix | NDArray[np.float64]
) -> None:
    """How many genes lie where, on a logarithmic scale, and the diagonal."""
    low = float(min(observed.min(), predicted.min(), 0)) * 1.03
    high = float(max(observed.max(), predicted.max())) * 1.03
    axes.hexbin(
        observed.ravel(),
        predicted.ravel(),
        gridsize=70,
        extent=(low, high, low, high),
        bins="log",
        mincnt=1,
        cmap=DENSITY,
        linewidths=0,
    )
    axes.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.set_aspect("equal")
