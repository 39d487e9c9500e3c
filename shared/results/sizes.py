"""How large a result will be, before it exists: in storage, and as JSON. Curves measured on the starters.

What a count costs depends on how many counts a gene has on average: both forms grow with the digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# log10 of a sample's counts over its genes, and what a count costs there, in bytes.
_DEPTHS = (-1.35, -0.35, 0.65, 1.65, 2.65, 3.65, 4.65)
_STORED = (0.06, 0.185, 0.42, 0.74, 1.17, 1.54, 1.98)  # byte-stream-split, zstd 1
_DIGITS = (2.0, 2.0, 2.08, 2.5, 3.15, 3.98, 4.95)  # with the comma

_PART, _ROW, _LATENT, _PROBABILITY = 4_400, 12, 3.9, 4.5  # stored: a file, and in each row
_GENE_NAME, _JSON_ROW, _JSON_LATENT, _JSON_PROBABILITY = 18, 600, 19.5, 36


@dataclass(frozen=True, slots=True)
class ResultShape:
    """How many rows in how many parts, and what a row holds.

    `total_count` is its library size, `latents` and `probabilities` are how many of these it has.
    """

    rows: int
    parts: int
    genes: int
    total_count: float
    latents: int
    probabilities: int = 0


def stored_bytes(shape: ResultShape) -> int:
    """Bytes of the Parquet parts together."""
    row = _ROW + _count_cost(shape, _STORED) + _LATENT * shape.latents + _PROBABILITY * shape.probabilities
    return round(shape.parts * _PART + shape.rows * row)


def json_bytes(shape: ResultShape) -> int:
    """Bytes of the JSON form, not compressed."""
    row = _JSON_ROW + _JSON_LATENT * shape.latents + _JSON_PROBABILITY * shape.probabilities
    return round(_GENE_NAME * shape.genes + shape.rows * (row + _count_cost(shape, _DIGITS)))


def _count_cost(shape: ResultShape, curve: tuple[float, ...]) -> float:
    """Bytes of one row's counts."""
    depth = np.log10(max(shape.total_count, 1) / shape.genes)
    return float(shape.genes * np.interp(depth, _DEPTHS, curve))
