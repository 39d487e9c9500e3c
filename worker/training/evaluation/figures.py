"""A figure with its baseline and ceiling, and the formulas that several figures share. Knows no model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]
EXPRESSED_CPM = 5.0  # typical CPM above which a gene counts in a response
COUNT_BINS = ((10, 100), (100, 1_000), (1_000, 10_000), (10_000, 10_000_000))


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `baseline` is what no model reaches, `ceiling` what real replicates reach."""

    group: str
    name: str
    value: float
    baseline: float | None = None
    ceiling: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The figure as a JSON object, to four digits."""
        rounded = {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        return {name: value for name, value in rounded.items() if value not in (None, "")}


def expressed(cpm: Matrix) -> Mask:
    """[G]: genes whose typical level over samples [N, G], the mean of log1p CPM, is above EXPRESSED_CPM."""
    chosen: Mask = np.log1p(cpm).mean(axis=0) > np.log1p(EXPRESSED_CPM)
    return chosen


def correlation(first: Matrix | Vector, second: Matrix | Vector) -> float:
    """Pearson's r; 0 where one side does not vary."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def variation_by_count(counts: Matrix) -> list[float]:
    """Median coefficient of variation beyond Poisson, [samples, genes] counts, for each of the COUNT_BINS."""
    depth = counts.sum(axis=1, keepdims=True)
    scaled = counts / depth * depth.mean()
    mean, variance = scaled.mean(axis=0), scaled.var(axis=0, ddof=1)
    beyond = np.sqrt(np.clip(variance - mean, 0, None)) / np.maximum(mean, 1e-9)
    bins = [(mean > low) & (mean <= high) for low, high in COUNT_BINS]
    return [float(np.median(beyond[chosen])) if chosen.any() else float("nan") for chosen in bins]
