"""Groups of samples to compare: by inputs, by ids of the query's own, by metadata. Knows parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shared.results.part import CUSTOM_ID, METADATA_COLUMNS
from shared.results.selection import Inputs, inputs_from_json

FIELDS = (*METADATA_COLUMNS, CUSTOM_ID)


@dataclass(frozen=True, slots=True)
class Group:
    """The samples of these inputs (None: of all) that have one of the values named for each field."""

    inputs: Inputs | None = None
    metadata: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a part that say who belongs to it."""
        ids = (CUSTOM_ID,) if self.inputs is not None and self.inputs.custom_ids else ()
        return (*ids, *(field for field, _ in self.metadata))

    def mask(self, part: pa.Table) -> NDArray[np.bool_]:
        """Which rows of a part belong to it."""
        found = np.ones(part.num_rows, np.bool_)
        if self.inputs is not None:
            found &= _plain(self.inputs.mask(part))
        for field, values in self.metadata:
            if field not in part.column_names:
                return np.zeros(part.num_rows, np.bool_)
            texts = part.column(field).cast(pa.string())
            found &= _plain(pc.is_in(texts, value_set=pa.array(values, pa.string())))
        return found

    def __str__(self) -> str:
        named = [] if self.inputs is None else [f"inputs {self.inputs}"]
        return "; ".join([*named, *(f"{field} {' or '.join(values)}" for field, values in self.metadata)])

    def to_json(self) -> dict[str, Any]:
        """As it is kept in a row."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        inputs = kept["inputs"]
        fields = tuple((field, tuple(values)) for field, values in kept["metadata"])
        return cls(None if inputs is None else inputs_from_json(inputs), fields)


def _plain(mask: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    whole = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    found: NDArray[np.bool_] = whole.to_numpy(zero_copy_only=False)
    return found
