"""Reads the conditions of large jobs, which lie in the storage; keeps the last few sheets at hand."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from shared.database.queries.jobs import inputs_of_chunks, sheets_of_job
from shared.database.tables import Chunk
from shared.errors import InputDamaged
from shared.sheets.sheet import SheetRef, SheetRow, decode_sheet, overlapping
from shared.storage.port import Storage
from worker.generation.conditions import row_of

# Chunks of a sheet follow each other; of several jobs that take turns, each needs its own.
_KEPT = 4


def sheets_of(entries: Sequence[Mapping[str, Any]], chunk: Chunk | Row[Any]) -> tuple[SheetRef, ...]:
    """Where the conditions of a chunk lie, given what its job's row says; nowhere if they are rows."""
    sheets = [SheetRef.from_json(entry) for entry in entries]
    return tuple(overlapping(sheets, chunk.first_sample, chunk.num_samples))


def conditions_of(session: Session, storage: Storage, chunk: Chunk) -> list[SheetRow]:
    """The conditions of one chunk, wherever they lie. Raises InputDamaged, StorageUnavailable."""
    entries = session.scalars(sheets_of_job(chunk.job_id)).one()
    if sheets := sheets_of(entries, chunk):
        return Sheets(storage).rows(sheets, chunk.first_sample, chunk.num_samples)
    return [row_of(saved) for saved in session.execute(inputs_of_chunks([chunk.id]))]


class Sheets:
    """Sheets by key, each checked against the digest under which it was stored. For one thread."""

    def __init__(self, storage: Storage, kept: int = _KEPT) -> None:
        self._storage, self._most = storage, kept
        self._kept: OrderedDict[str, list[SheetRow]] = OrderedDict()  # the least recently used first

    def rows(self, sheets: Sequence[SheetRef], first_sample: int, num_samples: int) -> list[SheetRow]:
        """The conditions that these samples of a job overlap, in order.

        Raises InputDamaged and StorageUnavailable.
        """
        end = first_sample + num_samples
        return [
            row
            for sheet in overlapping(sheets, first_sample, num_samples)
            for row in self._read(sheet)
            if row.first_sample < end and row.first_sample + row.num_samples > first_sample
        ]

    def _read(self, sheet: SheetRef) -> list[SheetRow]:
        if sheet.key not in self._kept:
            while len(self._kept) >= self._most:
                self._kept.popitem(last=False)
            self._kept[sheet.key] = decode_sheet(self._fetch(sheet))
        self._kept.move_to_end(sheet.key)
        return self._kept[sheet.key]

    def _fetch(self, sheet: SheetRef) -> bytes:
        try:
            data = self._storage.get(sheet.key)
        except KeyError:
            raise InputDamaged(
                f"The stored conditions {sheet.key} are missing. Submit the query again."
            ) from None
        if hashlib.sha256(data).hexdigest() != sheet.sha256:
            raise InputDamaged(f"The stored conditions {sheet.key} were changed. Submit the query again.")
        return data
