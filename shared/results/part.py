"""A part: the samples of one chunk as a Parquet file, one row per sample, counts in a list column.

Byte-stream-split with zstd 1 keeps 20,000 genes 4.4 times smaller than raw; equal tables give equal bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shared.queries.fields import FIELD_NAMES

# Every row has all of these, as strings: "" where the query left a field open.
METADATA_COLUMNS = (*FIELD_NAMES, "modality", "coverage")
CUSTOM_ID = "custom_id"  # what the query calls a row's input; in all parts of a job, or in none
LATENT_GROUPS = ("biological", "technical", "perturbation")
COUNTS = "counts"
# Fits a core's cache: bulk parts take 12 to 18 % less processor time to encode, and are 1 to 2 % larger.
_PAGE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one chunk, in order.

    `counts` is int32 [N, G]; `latents` maps a group to float32 [N, d]; `metadata` holds one mapping per
    condition and `condition_of` int [N] says which one a sample has. Of a query whose inputs have ids of
    their own, every mapping has a `custom_id`.
    """

    input_index: NDArray[np.int64]
    sample_index: NDArray[np.int64]
    condition_of: NDArray[np.int64]
    metadata: Sequence[Mapping[str, str]]
    counts: NDArray[np.int32]
    latents: Mapping[str, NDArray[np.float32]]


def latent_column(group: str) -> str:
    """The name of a latent's column."""
    return f"{group}_latent"


def metadata_names(columns: Collection[str]) -> tuple[str, ...]:
    """The columns of a part that are metadata, given the names of all of them."""
    return (*METADATA_COLUMNS, CUSTOM_ID) if CUSTOM_ID in columns else METADATA_COLUMNS


def part_table(samples: Samples) -> pa.Table:
    """The samples as an Arrow table: indices, metadata columns, counts, latents."""
    columns: dict[str, pa.Array] = {
        "input_index": pa.array(samples.input_index.astype(np.int32)),
        "sample_index": pa.array(samples.sample_index.astype(np.int32)),
    }
    which = pa.array(samples.condition_of.astype(np.int32))
    for name, values in metadata_columns(samples.metadata).items():
        columns[name] = values.take(which)
    columns[COUNTS] = list_column(samples.counts)
    columns |= latent_columns(samples.latents)
    return pa.table(columns)


def metadata_columns(rows: Sequence[Mapping[str, str]]) -> dict[str, pa.Array]:
    """All the metadata of rows, by column; "" where a row says nothing."""
    names = metadata_names(rows[0] if rows else ())
    return {name: pa.array([row.get(name, "") for row in rows], pa.string()) for name in names}


def latent_columns(latents: Mapping[str, NDArray[np.float32]]) -> dict[str, pa.Array]:
    """Latents [N, d] of each group, by column."""
    return {latent_column(group): list_column(latents[group]) for group in LATENT_GROUPS}


def encode_part(table: pa.Table) -> bytes:
    """The Parquet bytes of a part."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in metadata_names(table.column_names) if name in table.column_names],
        column_encoding={
            f"{column.name}.list.element": "BYTE_STREAM_SPLIT"
            for column in table.schema
            if pa.types.is_list(column.type)
        },
        data_page_size=_PAGE_BYTES,
        write_statistics=False,
        store_schema=table.schema.metadata is not None,
    )
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def decode_part(data: bytes) -> pa.Table:
    """The table that `encode_part` was given."""
    return pq.read_table(pa.BufferReader(data))


def counts_matrix(column: pa.ChunkedArray, num_genes: int) -> NDArray[np.int32]:
    """A counts column as int32 [N, G]."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    matrix: NDArray[np.int32] = flat.reshape(-1, num_genes)
    return matrix


def list_column(matrix: NDArray[np.generic]) -> pa.ListArray:
    """The rows of a matrix as lists."""
    rows, width = matrix.shape
    offsets = pa.array(np.arange(0, (rows + 1) * width, width or 1, dtype=np.int32)[: rows + 1])
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(matrix).reshape(-1)))
