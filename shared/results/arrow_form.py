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

from shared.results.forms import FORMS
from shared.results.header import ResultHeader

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
_ROWS_AT_ONCE = 64


def arrow_schema(header: ResultHeader, part: pa.Schema) -> pa.Schema:
    """The columns of the request type, given the schema of the result's parts."""
    return pa.schema(
        FORMS[header.request_type].arrow_fields(part),
        metadata={
            "request_type": str(header.request_type),
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
        self._header, self._form = header, FORMS[header.request_type]
        self._pieces = _Pieces()
        self._opened: tuple[pa.ipc.RecordBatchStreamWriter, pa.Schema] | None = None

    def part(self, part: pa.Table) -> Iterator[bytes]:
        """The pieces of the next part; the first ones carry the schema too."""
        writer, schema = self._open(part.schema)
        for first in range(0, part.num_rows, _ROWS_AT_ONCE):
            rows = part.slice(first, _ROWS_AT_ONCE).combine_chunks()
            writer.write_batch(pa.record_batch(self._form.arrow_arrays(rows), schema=schema))
            yield self._pieces.take()

    def end(self) -> bytes:
        """The end marker: the stream was whole."""
        self._open(pa.schema([]))[0].close()
        return self._pieces.take()

    def _open(self, part: pa.Schema) -> tuple[pa.ipc.RecordBatchStreamWriter, pa.Schema]:
        """The writer and its schema; parts say what columns there are, so the first of them opens it."""
        if self._opened is None:
            schema = arrow_schema(self._header, part)
            self._opened = pa.ipc.new_stream(pa.PythonFile(self._pieces, mode="w"), schema), schema
        return self._opened


def stream_arrow(header: ResultHeader, parts: Iterable[pa.Table]) -> Iterator[bytes]:
    """The pieces of a whole stream; what `parts` raises cuts the stream short."""
    stream = ArrowStream(header)
    for part in parts:
        yield from stream.part(part)
        del part  # before the next is read
    yield stream.end()


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
