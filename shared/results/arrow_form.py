"""The Arrow form of self-hosted mode: an IPC stream, part by part.

A stream that is cut at a batch boundary reads as a whole one with fewer rows. So whoever sends it must abort
the connection when `parts` raises.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from shared.results.header import ResultHeader
from shared.results.part import LATENT_GROUPS, METADATA_COLUMNS, latent_column

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
_ROWS_AT_ONCE = 64


def arrow_schema(header: ResultHeader) -> pa.Schema:
    """Counts as list<int64>, metadata as a struct of strings, the three latents as list<float>."""
    return pa.schema(
        [
            pa.field("counts", pa.list_(pa.int64())),
            pa.field("metadata", pa.struct([(name, pa.string()) for name in METADATA_COLUMNS])),
            *(pa.field(latent_column(group), pa.list_(pa.float32())) for group in LATENT_GROUPS),
        ],
        metadata={
            "request_type": header.request_type,
            "model_id": header.model_id,
            "model_version": str(header.model_version),
            "gene_order": orjson.dumps(list(header.gene_order)).decode(),
        },
    )


class ArrowStream:
    """An Arrow IPC stream that is written part by part, in pieces of at most 64 rows.

    Whoever writes parts as they come drives it directly; without `end` a reader gets an error.
    """

    def __init__(self, header: ResultHeader) -> None:
        self._schema = arrow_schema(header)
        self._pieces = _Pieces()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._pieces, mode="w"), self._schema)

    def part(self, part: pa.Table) -> Iterator[bytes]:
        """The pieces of the next part; the first ones carry the schema too."""
        for first in range(0, part.num_rows, _ROWS_AT_ONCE):
            self._writer.write_batch(_batch(part.slice(first, _ROWS_AT_ONCE), self._schema))
            yield self._pieces.take()

    def end(self) -> bytes:
        """The end marker: the stream was whole."""
        self._writer.close()
        return self._pieces.take()


def stream_arrow(header: ResultHeader, parts: Iterable[pa.Table]) -> Iterator[bytes]:
    """The pieces of a whole stream; what `parts` raises cuts the stream short."""
    stream = ArrowStream(header)
    for part in parts:
        yield from stream.part(part)
    yield stream.end()


def _batch(rows: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    rows = rows.combine_chunks()
    metadata = [rows.column(name).combine_chunks() for name in METADATA_COLUMNS]
    arrays = [
        pc.cast(rows.column("counts").combine_chunks(), pa.list_(pa.int64())),
        pa.StructArray.from_arrays(
            [pc.cast(values, pa.string()) for values in metadata], names=list(METADATA_COLUMNS)
        ),
        *(rows.column(latent_column(group)).combine_chunks() for group in LATENT_GROUPS),
    ]
    return pa.record_batch([_whole(array) for array in arrays], schema=schema)


def _whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


class _Pieces(io.RawIOBase):
    """A sink whose content is taken away as it comes; Arrow aligns by `tell`, which never goes back."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting.append(bytes(data))
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        """What was written since the last call."""
        taken, self._waiting = b"".join(self._waiting), []
        return taken
