"""Perturbations of donors that no model was trained on: predicted against real change, gene by gene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from worker.training.evaluation.figures import Vector, correlation, expressed
from worker.training.evaluation.plots.style import GENERATED, INK, QUIET, headline, page
from worker.training.evaluation.responses import HELD_OUT_DONORS, PERTURBATION
from worker.training.evaluation.subject import Subject

DEXAMETHASONE_GENES = ("FKBP5", "TSC22D3", "PER1", "KLF15", "ZBTB16", "DUSP1", "CRISPLD2")
INTERFERON_GENES = ("CXCL9", "CXCL10", "IDO1", "GBP5", "CIITA", "CD274")
SALMONELLA_GENES = ("IL1B", "IL6", "TNF", "CCL20", "CXCL8", "PTGS2")
NAMED = (
    DEXAMETHASONE_GENES,
    INTERFERON_GENES,
    SALMONELLA_GENES,
    (*INTERFERON_GENES[:3], *SALMONELLA_GENES[:3]),
)


@dataclass(frozen=True, slots=True)
class Response:
    """Changes of expressed genes in log1p CPM: as predicted, in the held-out donor, in the other donors."""

    name: str
    symbols: tuple[str, ...]
    predicted: Vector
    real: Vector
    others: Vector


def responses_plot(subject: Subject) -> Figure:
    """A panel for each perturbation of a held-out donor."""
    found = [response_of(subject, *each) for each in HELD_OUT_DONORS]
    figure, panels = page(2, 2, size=(4.6, 4.1))
    for axes, response, genes in zip(panels, found, NAMED, strict=True):
        draw_response(axes, response, genes)
    headline(figure, "Donors that no model was trained on: change of each expressed gene, treated - control")
    return figure


def response_of(subject: Subject, name: str, source: str, donor: str, perturbation: str) -> Response:
    """One perturbation of one donor, beside the mean of the other donors of its study."""
    labels = subject.data.labels
    of_source = (labels["source"] == source).to_numpy()
    of_donor = (labels["donor"] == donor).to_numpy()
    treated = of_source & (labels["perturbation_ontology_id"] == perturbation).to_numpy()
    control = of_source & (labels["perturbation_ontology_id"] == "").to_numpy()
    row = int(np.flatnonzero(treated & of_donor)[0])
    asked = subject.predictor.mean([subject.query(row), subject.query(row, without=PERTURBATION)])
    with_it, without_it = np.log1p(asked)
    counted = expressed(subject.cpm[of_source])
    changes = (
        with_it - without_it,
        _change(subject, treated & of_donor, control & of_donor),
        _change(subject, treated & ~of_donor, control & ~of_donor),
    )
    symbols = tuple(subject.genes["symbol"][counted].astype(str))
    return Response(name, symbols, *(change[counted] for change in changes))


def draw_response(axes: Axes, response: Response, named: Sequence[str]) -> None:
    """The changes, and r beside that of real donors."""
    draw_change(axes, response.symbols, response.real, response.predicted, named)
    own, ceiling = (correlation(each, response.real) for each in (response.predicted, response.others))
    axes.set_title(f"{response.name}\nr {own:.2f}; the other donors' mean change: {ceiling:.2f}")


def draw_change(
    axes: Axes, symbols: Sequence[str], real: Vector, predicted: Vector, named: Sequence[str]
) -> None:
    """All genes, the diagonal, and some genes by name."""
    axes.axhline(0, color=QUIET, linewidth=0.5)
    axes.axvline(0, color=QUIET, linewidth=0.5)
    axes.scatter(real, predicted, s=4, color=QUIET, alpha=0.35, linewidths=0)
    low, high = float(real.min()), float(real.max())
    axes.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    place = {symbol: number for number, symbol in enumerate(symbols)}
    points = {
        name: (float(real[place[name]]), float(predicted[place[name]])) for name in named if name in place
    }
    _name(axes, points)
    axes.set(xlabel="observed change, log1p CPM", ylabel="predicted change, log1p CPM")


def _name(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Names in a column beside their points, in the order of their heights, so that none covers another."""
    for rank, (symbol, point) in enumerate(sorted(points.items(), key=lambda each: -each[1][1])):
        axes.annotate(
            symbol,
            point,
            (0.30, 0.95 - 0.062 * rank),
            textcoords="axes fraction",
            ha="right",
            va="center",
            style="italic",
            arrowprops={"arrowstyle": "-", "color": GENERATED, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 2},
        )
        axes.scatter(*point, s=26, color=GENERATED, edgecolor="white", linewidth=0.6, zorder=3)


def _change(subject: Subject, treated: NDArray[np.bool_], control: NDArray[np.bool_]) -> Vector:
    log = np.log1p(subject.cpm)
    change: Vector = log[treated].mean(axis=0) - log[control].mean(axis=0)
    return change
