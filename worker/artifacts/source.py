"""What artifacts are made of: samples of a result, part by part, as often as they are needed.

Knows where samples come from only as something that can be called; no rows and no storage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.results.forms.form import metadata_of
from shared.results.header import ResultHeader
from shared.results.part import COUNTS, CUSTOM_ID, counts_matrix


@dataclass(frozen=True, slots=True)
class Source:
    """Samples: `header` and `symbols` are of the genes that are left, `parts` goes through them once more.

    `provenance` says what made them, in texts and numbers.
    """

    header: ResultHeader
    symbols: Sequence[str]
    provenance: Mapping[str, Any]
    parts: Callable[[], Iterator[pa.Table]]

    @property
    def num_genes(self) -> int:
        """How long a count vector is."""
        return len(self.header.gene_order)

    @property
    def feature_names(self) -> list[str]:
        """What people call the genes: their symbols, or their ids where they have none."""
        pairs = zip(self.symbols, self.header.gene_order, strict=True)
        return [symbol or ensembl_id for symbol, ensembl_id in pairs]

    def counts(self, part: pa.Table) -> NDArray[np.int32]:
        """Counts [N, G] of a part."""
        return counts_matrix(part.column(COUNTS), self.num_genes)


def sample_names(part: pa.Table) -> list[str]:
    """A name for each row, unique in its result: its input, and which sample of it."""
    inputs = part.column("input_index").to_pylist()
    if "sample_index" not in part.column_names:
        return [str(index) for index in inputs]
    samples = part.column("sample_index").to_pylist()
    return [f"{index}_{sample}" for index, sample in zip(inputs, samples, strict=True)]


def metadata_and_ids(part: pa.Table) -> tuple[list[str], bool]:
    """The metadata columns that repeat from row to row, and whether rows have ids of their query's own."""
    names = [name for name in metadata_of(part.column_names) if name != CUSTOM_ID]
    return names, CUSTOM_ID in part.column_names
