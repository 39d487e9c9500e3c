"""The rows of a result as flat columns, whichever layout the server's Arrow stream has. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

LATENTS = ("biological", "technical", "perturbation")


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows: columns of metadata, of latents by group, and counts as a list column.

    `probabilities` holds a column for each value that a field may have, named `field=value`; none for
    samples, which are not predictions.
    """

    metadata: dict[str, pa.Array]
    probabilities: dict[str, pa.Array]
    counts: pa.ListArray
    latents: dict[str, pa.Array]

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Counts [N, G]."""
        flat: NDArray[np.int64] = self.counts.flatten().to_numpy()
        return flat.reshape(len(self.counts), -1)

    def latent(self, group: str) -> NDArray[np.float32]:
        """Latents [N, d] of a group."""
        column = self.latents[group]
        values: NDArray[np.float32] = column.flatten().to_numpy()
        return values.reshape(len(column), -1)


def rows_of(batch: pa.RecordBatch) -> Rows:
    """The rows of a batch of samples, or of predictions."""
    metadata = _fields(batch.column("metadata"))
    if "decoder_sample" not in batch.schema.names:
        latents = {group: batch.column(f"{group}_latent") for group in LATENTS}
        return Rows(metadata, {}, batch.column("counts"), latents)
    counts = _fields(batch.column("decoder_sample"))["counts"]
    probabilities = dict(_probabilities(batch.column("classifier_probs")))
    return Rows(metadata, probabilities, counts, _fields(batch.column("latents")))


def _probabilities(heads: pa.StructArray) -> Iterator[tuple[str, pa.Array]]:
    for field, values in _fields(heads).items():
        for value, column in _fields(values).items():
            yield f"{field}={value}", column


def _fields(column: pa.StructArray) -> dict[str, Any]:
    return {field.name: column.field(index) for index, field in enumerate(column.type)}
