"""Do generated replicates scatter as real ones do: variance against mean, gene by gene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from worker.training.evaluation.figures import Matrix, Vector
from worker.training.evaluation.plots.style import GENERATED, INK, QUIET, REAL, headline, page
from worker.training.evaluation.spread import REPLICATES
from worker.training.evaluation.subject import Subject

FEWEST_GENES = 20  # of a bin that is drawn


@dataclass(frozen=True, slots=True)
class Trend:
    """Mean and variance of counts by gene, over replicates scaled to one depth."""

    mean: Vector
    variance: Vector

    @classmethod
    def of(cls, counts: Matrix) -> Trend:
        """Of counts [samples, genes]."""
        depth = counts.sum(axis=1, keepdims=True)
        scaled = counts / depth * depth.mean()
        mean = scaled.mean(axis=0)
        seen = mean > 1
        return cls(mean[seen].astype(np.float64), scaled.var(axis=0, ddof=1)[seen].astype(np.float64))

    @property
    def variation(self) -> float:
        """Median coefficient of variation beyond Poisson of genes with 100 to 10,000 counts."""
        chosen = (self.mean > 100) & (self.mean <= 10_000)
        beyond = np.clip(self.variance - self.mean, 0, None)[chosen]
        return float(np.median(np.sqrt(beyond) / self.mean[chosen]))

    def quartiles(self, edges: Vector) -> NDArray[np.float64]:
        """[3, bins] the quartiles of variance among genes of like mean; NaN where there are few."""
        place = np.digitize(self.mean, edges)
        bins = [self.variance[place == number] for number in range(1, len(edges))]
        return np.array(
            [
                np.quantile(each, (0.25, 0.5, 0.75)) if len(each) >= FEWEST_GENES else (np.nan,) * 3
                for each in bins
            ]
        ).T


def spread_plot(subject: Subject) -> Figure:
    """A panel for each set of replicates."""
    figure, panels = page(len(REPLICATES), size=(3.7, 3.7))
    for axes, (name, source, sex) in zip(panels, REPLICATES, strict=True):
        real, made = trends(subject, source, sex)
        draw_trends(axes, real, made)
        axes.set_title(f"{name}\nCV {made.variation:.2f}, real {real.variation:.2f}")
    panels[0].legend(loc="upper left")
    headline(
        figure,
        "Mean and variance of counts over replicates, quartiles of genes; CV of those with 100 to 10,000",
    )
    return figure


def trends(subject: Subject, source: str, sex: str) -> tuple[Trend, Trend]:
    """Of real untreated replicates, and of as many generated ones of the same depth."""
    labels = subject.data.labels
    chosen = (labels["source"] == source) & (labels["perturbation_ontology_id"] == "")
    rows = np.flatnonzero(chosen & ((labels["sex"] == sex) | (sex == "")))
    depth = subject.data.depth[rows]
    real = subject.cpm[rows] / 1e6 * depth[:, None]
    made = subject.predictor.samples(subject.query(int(rows[0])), len(rows), float(depth.mean()), noise=True)
    return Trend.of(real), Trend.of(made)


def draw_trends(axes: Axes, real: Trend, made: Trend) -> None:
    """Both bands over the line of Poisson noise."""
    edges = np.logspace(0, np.log10(max(real.mean.max(), made.mean.max())), 26)
    centres = np.sqrt(edges[:-1] * edges[1:])
    for trend, colour, name in ((real, REAL, "real"), (made, GENERATED, "generated")):
        low, middle, high = trend.quartiles(edges)
        axes.fill_between(centres, low, high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(centres, middle, color=colour, linewidth=1.8, label=name)
    axes.plot(edges, edges, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.text(edges[-6], edges[-6] * 0.45, "Poisson", color=QUIET, ha="left", va="top")
    axes.set(xscale="log", yscale="log", xlabel="mean counts", ylabel="variance of counts")
