"""The counts of a result once more, gene by gene, so that few genes of many samples are few bytes.

Samples come in slabs of some parts. Of a slab: its rows without counts and latents, as Parquet; blocks of 16
genes, [16, N] int32 with their bytes shuffled, each packed with zstd; and where they end, with their CRCs.
A directory of the slabs is at the end of the file. Read and written here alone; the parts are the truth.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shared.errors import ResultDamaged
from shared.results.forms.form import metadata_of
from shared.results.part import COUNTS, counts_matrix, encode_part, list_column
from shared.results.selection import INDICES, Selection

_GENES_AT_ONCE = 16  # int32 of a line of cache
_SLAB_BYTES = 128 << 20
_TAIL = struct.Struct("<QI8s")  # length and CRC of the directory
_MAGIC = b"GQGENES1"
_ZSTD = pa.Codec("zstd", compression_level=1)

Read = Callable[[int, int], bytes]  # so many bytes from a place on


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some bytes of the file, and their CRC."""

    first: int
    length: int
    crc: int


@dataclass(frozen=True, slots=True)
class _Slab:
    """Some consecutive samples; `ends` is a piece, too: two numbers of 4 bytes for each block."""

    samples: int
    rows: _Piece
    blocks: int  # where the first begins
    ends: _Piece


def covers(selection: Selection) -> bool:
    """Whether a selection can be read from here: it wants single genes, or no counts, and no latents."""
    if selection.columns is None or (selection.genes is None and COUNTS in selection.columns):
        return False
    return {*selection.columns} <= {*metadata_of(selection.columns), *INDICES, COUNTS}


class GeneMajorWriter:
    """Writes a file from parts; holds one slab."""

    def __init__(self, file: IO[bytes], num_genes: int, slab_bytes: int = _SLAB_BYTES) -> None:
        self._file, self._genes = file, num_genes
        self._most = max(1, slab_bytes // (4 * num_genes))
        self._rows: list[pa.Table] = []
        self._counts: list[NDArray[np.int32]] = []
        self._slabs: list[_Slab] = []
        self._at = 0

    def add(self, part: pa.Table) -> None:
        """The next part of the result."""
        kept = [*(name for name in INDICES if name in part.column_names), *metadata_of(part.column_names)]
        self._rows.append(part.select(kept).replace_schema_metadata(None))
        self._counts.append(counts_matrix(part.column(COUNTS), self._genes))
        if sum(len(counts) for counts in self._counts) >= self._most:
            self._flush()

    def close(self) -> None:
        """Write the last slab and the directory."""
        self._flush()
        directory = orjson.dumps({"genes": self._genes, "slabs": [asdict(slab) for slab in self._slabs]})
        self._file.write(directory + _TAIL.pack(len(directory), zlib.crc32(directory), _MAGIC))

    def _flush(self) -> None:
        if not self._rows:
            return
        rows = self._write(encode_part(pa.concat_tables(self._rows)))
        first, ends = self._at, []
        for place in range(0, self._genes, _GENES_AT_ONCE):
            columns = [counts[:, place : place + _GENES_AT_ONCE] for counts in self._counts]
            block = np.ascontiguousarray(np.concatenate(columns).T)
            piece = self._write(_ZSTD.compress(_shuffled(block), asbytes=True))
            ends += [piece.first + piece.length - first, piece.crc]
        table = self._write(np.array(ends, "<u4").tobytes())
        samples = sum(len(counts) for counts in self._counts)
        self._slabs.append(_Slab(samples, rows, first, table))
        self._rows, self._counts = [], []

    def _write(self, data: bytes) -> _Piece:
        piece = _Piece(self._at, len(data), zlib.crc32(data))
        self._file.write(data)
        self._at += len(data)
        return piece


class GeneMajor:
    """A file that was written, and what reads ranges of it. Every method raises ResultDamaged."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        length, crc, magic = _TAIL.unpack(read(size - _TAIL.size, _TAIL.size))
        if magic != _MAGIC or length > size:
            raise ResultDamaged("The counts that are kept gene by gene were changed. Delete the artifact.")
        directory = orjson.loads(self._piece(_Piece(size - _TAIL.size - length, length, crc)))
        self._genes: int = directory["genes"]
        self._slabs = [_slab(kept) for kept in directory["slabs"]]

    def tables(self, selection: Selection) -> Iterator[pa.Table]:
        """What is selected, slab by slab."""
        places = selection.genes if selection.counts else None
        rest = Selection(inputs=selection.inputs, columns=selection.columns)
        for slab in self._slabs:
            table = pq.read_table(pa.BufferReader(self._piece(slab.rows)))
            if places is not None:
                table = table.append_column(COUNTS, list_column(self._counts(slab, places)))
            yield rest.of(table, len(places or ()))

    def _counts(self, slab: _Slab, places: Sequence[int]) -> NDArray[np.int32]:
        """Counts [N, K] of these genes."""
        ends = np.frombuffer(self._piece(slab.ends), "<u4").reshape(-1, 2)
        found = np.empty((slab.samples, len(places)), np.int32)
        wanted = np.array(places)
        for block in np.unique(wanted // _GENES_AT_ONCE):
            first = 0 if block == 0 else int(ends[block - 1, 0])
            piece = _Piece(slab.blocks + first, int(ends[block, 0]) - first, int(ends[block, 1]))
            genes = min(_GENES_AT_ONCE, self._genes - int(block) * _GENES_AT_ONCE)
            packed = self._piece(piece)
            plain = _ZSTD.decompress(packed, decompressed_size=4 * genes * slab.samples, asbytes=True)
            counts = np.frombuffer(plain, np.uint8).reshape(4, -1).T.copy().view("<i4").reshape(genes, -1)
            here = np.flatnonzero(wanted // _GENES_AT_ONCE == block)
            found[:, here] = counts[wanted[here] % _GENES_AT_ONCE].T
        return found

    def _piece(self, piece: _Piece) -> bytes:
        data = self._read(piece.first, piece.length)
        if zlib.crc32(data) != piece.crc:
            raise ResultDamaged("The counts that are kept gene by gene were changed. Delete the artifact.")
        return data


def _shuffled(block: NDArray[np.int32]) -> bytes:
    """First the lowest bytes of all numbers, then the next ones: most of the high ones are zero."""
    return np.ascontiguousarray(block.astype("<i4").reshape(-1, 1).view(np.uint8).T).tobytes()


def _slab(kept: dict[str, Any]) -> _Slab:
    return _Slab(kept["samples"], _Piece(**kept["rows"]), kept["blocks"], _Piece(**kept["ends"]))
