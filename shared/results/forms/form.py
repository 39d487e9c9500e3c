"""What distinguishes one request type's results from another's. Knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shared.results.part import LATENT_GROUPS, latent_column, metadata_names


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


def metadata_of(columns: Sequence[str]) -> list[str]:
    """Those of a part's columns that are metadata: a part of which columns were chosen may lack some."""
    return [name for name in metadata_names(columns) if name in columns]


def latents_of(columns: Sequence[str]) -> list[str]:
    """The latents that a part has columns of."""
    return [group for group in LATENT_GROUPS if latent_column(group) in columns]


def metadata_field(part: pa.Schema) -> pa.Field:
    """The metadata of a row in the Arrow form: a struct of strings."""
    return pa.field("metadata", pa.struct([(name, pa.string()) for name in metadata_of(part.names)]))


def metadata_array(part: pa.Table) -> pa.StructArray:
    """The metadata of a part, as a struct."""
    names = metadata_of(part.column_names)
    columns = [whole(part, name).cast(pa.string()) for name in names]
    return pa.StructArray.from_arrays(columns, names=list(names))


def metadata_rows(part: pa.Table) -> list[dict[str, str]]:
    """The metadata of each row of a part."""
    rows: list[dict[str, str]] = part.select(metadata_of(part.column_names)).to_pylist()
    return rows


def whole(part: pa.Table, name: str) -> pa.Array:
    """A column in one piece."""
    column = part.column(name).combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
