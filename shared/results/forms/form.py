"""What distinguishes one request type's results from another's. Knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shared.results.part import METADATA_COLUMNS


@dataclass(frozen=True, slots=True)
class ResultForm:
    """How the rows of a result are laid out.

    `table` makes a part of what was computed. `json_rows` gives the JSON objects of a part, given the number
    of genes. `arrow_fields` are the columns of the Arrow form, given the schema of a part, and `arrow_arrays`
    their values in a part of one chunk.
    """

    table: Callable[[Any], pa.Table]
    json_rows: Callable[[pa.Table, int], Iterator[dict[str, Any]]]
    arrow_fields: Callable[[pa.Schema], Sequence[pa.Field]]
    arrow_arrays: Callable[[pa.Table], Sequence[pa.Array]]


def metadata_field() -> pa.Field:
    """The metadata of a row in the Arrow form: a struct of strings."""
    return pa.field("metadata", pa.struct([(name, pa.string()) for name in METADATA_COLUMNS]))


def metadata_array(part: pa.Table) -> pa.StructArray:
    """The metadata of a part, as a struct."""
    return pa.StructArray.from_arrays(
        [whole(part, name).cast(pa.string()) for name in METADATA_COLUMNS], names=list(METADATA_COLUMNS)
    )


def whole(part: pa.Table, name: str) -> pa.Array:
    """A column in one piece."""
    column = part.column(name).combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
