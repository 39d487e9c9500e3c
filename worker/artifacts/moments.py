"""Log CPM of counts, and their means and variances gathered part by part. Knows numbers only.

Moments are merged as in Chan, Golub and LeVeque (1983), so that none of them is the difference of large sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 64


def log_cpm(counts: NDArray[np.int32]) -> NDArray[np.float64]:
    """log2(CPM + 1) of counts [N, G]; zero throughout where a sample has no counts."""
    sizes = counts.sum(1, dtype=np.int64)
    scale = np.divide(1e6, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    values: NDArray[np.float64] = np.log2(counts * scale[:, None] + 1.0)
    return values


def pieces(counts: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    """Some rows at once, so that what is computed of them stays small."""
    return (counts[first : first + _ROWS_AT_ONCE] for first in range(0, len(counts), _ROWS_AT_ONCE))


class Moments:
    """Number, mean [G] and variance [G] of all rows that were added."""

    def __init__(self, width: int) -> None:
        self.rows = 0
        self.mean = np.zeros(width)
        self._squares = np.zeros(width)

    def add(self, values: NDArray[np.float64]) -> None:
        """Values [N, G]."""
        if not len(values):
            return
        rows, mean = len(values), values.mean(0)
        squares = ((values - mean) ** 2).sum(0)
        apart, total = mean - self.mean, self.rows + rows
        self.mean += apart * (rows / total)
        self._squares += squares + apart**2 * (self.rows * rows / total)
        self.rows = total

    @property
    def variance(self) -> NDArray[np.float64]:
        """Of a sample, with one degree of freedom less than rows; zero of a single row."""
        return self._squares / max(self.rows - 1, 1)
