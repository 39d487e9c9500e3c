"""Samples in a plane: the first two principal components of their log CPM. Knows numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

MOST_SAMPLES = 2_000
_MOST_BYTES = 200 << 20  # of the matrix that is decomposed
COMPONENTS = 2


@dataclass(frozen=True, slots=True)
class Projection:
    """Coordinates [N, 2], and which share of the variance either component explains."""

    coordinates: NDArray[np.float64]
    explained: NDArray[np.float64]


def places_shown(samples: int, genes: int) -> NDArray[np.int64]:
    """Which of so many samples are shown: all, or as many as there is room for, evenly spaced."""
    most = max(COMPONENTS, min(MOST_SAMPLES, _MOST_BYTES // (4 * max(genes, 1))))
    if samples <= most:
        return np.arange(samples)
    return np.linspace(0, samples - 1, most).astype(np.int64)


def project(values: NDArray[np.float32]) -> Projection:
    """Principal components of values [N, G], by way of the products of samples [N, N].

    The values are centred where they are: they may be much of the memory that there is.
    """
    values -= values.mean(0, dtype=np.float64).astype(np.float32)
    products = (values @ values.T).astype(np.float64)
    rows = len(products)
    total = float(np.trace(products))
    if rows < COMPONENTS or total <= 0:
        return Projection(np.zeros((rows, COMPONENTS)), np.zeros(COMPONENTS))
    values_of, vectors = linalg.eigh(products, subset_by_index=[rows - COMPONENTS, rows - 1])
    found = np.clip(values_of[::-1], 0, None)
    coordinates = vectors[:, ::-1] * np.sqrt(found)
    # A component has no direction of its own: its largest coordinate is made positive.
    largest = coordinates[np.abs(coordinates).argmax(0), np.arange(COMPONENTS)]
    return Projection(coordinates * np.where(largest < 0, -1.0, 1.0), found / total)
