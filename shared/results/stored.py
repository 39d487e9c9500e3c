"""The parts of a result where they lie, each checked against the digest under which it was stored.

What is not whole raises; nobody gets a shorter result than was asked for. Knows keys, and no storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import ResultDamaged
from shared.results.selection import Selection

Fetch = Callable[[str], bytes]  # an object by its key; raises KeyError


class DoneChunk(Protocol):
    """What the row of a chunk that is done says of its part."""

    @property
    def part_key(self) -> str | None: ...
    @property
    def part_sha256(self) -> str | None: ...
    @property
    def num_samples(self) -> int: ...
    @property
    def samples_stored(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class PartRef:
    """Where one part lies, how many samples it holds, and its SHA-256 in hex."""

    key: str
    num_samples: int
    sha256: str

    @classmethod
    def of(cls, chunk: DoneChunk) -> Self:
        """The part of a chunk that is done."""
        stored = chunk.num_samples if chunk.samples_stored is None else chunk.samples_stored
        return cls(chunk.part_key or "", stored, chunk.part_sha256 or "")


def read_part(fetch: Fetch, part: PartRef, selection: Selection | None = None) -> pa.Table:
    """One part, if it is what was stored; of a selection, the columns that it has to read.

    Raises ResultDamaged, and what `fetch` raises.
    """
    try:
        data = fetch(part.key)
    except KeyError:
        raise ResultDamaged(f"The stored part {part.key} is missing. Submit the query again.") from None
    if hashlib.sha256(data).hexdigest() != part.sha256:
        raise ResultDamaged(f"The stored part {part.key} was changed. Submit the query again.")
    file = pq.ParquetFile(pa.BufferReader(data))
    if file.metadata.num_rows != part.num_samples:
        raise ResultDamaged(f"The stored part {part.key} has another number of samples than it should.")
    return file.read(columns=selection.reads(file.schema_arrow.names) if selection else None)
