"""What of a result is wanted: some genes, some inputs, some columns; and how a part gives just that.

Knows parts as tables, no files; the texts in which people ask for it are read elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.results.header import ResultHeader
from shared.results.part import COUNTS, CUSTOM_ID, LATENT_GROUPS, counts_matrix, latent_column, list_column

# Rows are named by these, so every selection has them.
INDICES = ("input_index", "sample_index")
LATENT_COLUMNS = tuple(latent_column(group) for group in LATENT_GROUPS)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Some inputs of a query: runs of positions, both ends included, and the ids that it gave to others."""

    runs: tuple[tuple[int, int], ...] = ()
    custom_ids: tuple[str, ...] = ()

    def mask(self, part: pa.Table) -> pa.Array | pa.ChunkedArray:
        """Which rows of a part are theirs."""
        index = part.column("input_index")
        found = pa.chunked_array([np.zeros(part.num_rows, np.bool_)], pa.bool_())
        for first, last in self.runs:
            within = pc.and_(pc.greater_equal(index, first), pc.less_equal(index, last))
            found = pc.or_(found, within)
        if self.custom_ids and CUSTOM_ID in part.column_names:
            names = part.column(CUSTOM_ID).cast(pa.string())
            found = pc.or_(found, pc.is_in(names, value_set=pa.array(self.custom_ids, pa.string())))
        return found

    def __str__(self) -> str:
        runs = [str(first) if first == last else f"{first}-{last}" for first, last in self.runs]
        return ",".join([*runs, *self.custom_ids])


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of a result; None means all of it.

    `genes` are places in the model's order, ascending; `columns` names columns of a part.
    """

    genes: tuple[int, ...] | None = None
    inputs: Inputs | None = None
    columns: tuple[str, ...] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.genes is None and self.inputs is None and self.columns is None

    @property
    def counts(self) -> bool:
        """Whether counts are wanted."""
        return self.columns is None or COUNTS in self.columns

    def header(self, header: ResultHeader) -> ResultHeader:
        """What stands above the samples that are left."""
        if not self.counts:
            return replace(header, gene_order=())
        if self.genes is None:
            return header
        return replace(header, gene_order=tuple(header.gene_order[place] for place in self.genes))

    def reads(self, columns: Sequence[str]) -> list[str] | None:
        """Of a part's columns those that must be read; None: all."""
        if self.columns is None:
            return None
        needed = {*self.columns, *INDICES}
        if self.inputs is not None and self.inputs.custom_ids:
            needed.add(CUSTOM_ID)
        return [name for name in columns if name in needed]

    def of(self, part: pa.Table, num_genes: int) -> pa.Table:
        """The wanted rows, genes and columns of a part that has all genes."""
        if self.inputs is not None:
            part = part.filter(self.inputs.mask(part))
        if self.columns is not None:
            wanted = {*self.columns, *INDICES}
            part = part.select([name for name in part.column_names if name in wanted])
        if self.genes is None or COUNTS not in part.column_names:
            return part
        counts = counts_matrix(part.column(COUNTS), num_genes)[:, list(self.genes)]
        place = part.column_names.index(COUNTS)
        return part.set_column(place, COUNTS, list_column(counts))

    def to_json(self) -> dict[str, Any]:
        """As it is kept in a row."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        genes, inputs, columns = kept["genes"], kept["inputs"], kept["columns"]
        return cls(
            genes=None if genes is None else tuple(genes),
            inputs=None if inputs is None else inputs_from_json(inputs),
            columns=None if columns is None else tuple(columns),
        )


EVERYTHING = Selection()


def inputs_from_json(kept: Mapping[str, Any]) -> Inputs:
    """Inputs as a row keeps them."""
    runs = tuple((first, last) for first, last in kept["runs"])
    return Inputs(runs, tuple(kept["custom_ids"]))
