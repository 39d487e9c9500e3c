"""Writes conditions into the storage as they come: sheets, and the counts that inputs bring along.

Holds one sheet and one object of counts at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

import numpy as np

from shared.queries.spec import Counts, InputSpec
from shared.results.specimens import INPUTS_AT_ONCE, encode_specimens, specimens_key, specimens_prefix
from shared.sheets.sheet import INPUTS_OF_A_SHEET, SheetRef, SheetRow, encode_sheet, sheet_key
from shared.storage.port import Storage


@dataclass(slots=True)
class SheetWriter:
    """The conditions of one job on their way into the storage.

    Counts are addressed by the position of their input: a gap between positions is filled with zeros, and an
    object of nothing but gaps is not there, its digest "". Every method may raise StorageUnavailable.
    """

    storage: Storage
    job_id: UUID
    sheets: list[SheetRef] = field(default_factory=list)
    input_digests: list[str] = field(default_factory=list)
    samples: int = 0
    _rows: list[SheetRow] = field(default_factory=list)
    _counts: list[Counts] = field(default_factory=list)

    def add(self, position: int, item: InputSpec) -> None:
        """One more condition; positions ascend."""
        if len(self._rows) == INPUTS_OF_A_SHEET:
            self._store_sheet()
        self._rows.append(
            SheetRow(position, self.samples, item.num_samples, item.metadata, item.placements, item.custom_id)
        )
        self.samples += item.num_samples
        if item.counts is not None:
            self._add_counts(position, item.counts)

    def finish(self) -> None:
        """Store what is still at hand."""
        if self._rows:
            self._store_sheet()
        if self._counts:
            self._store_counts()

    def discard(self) -> None:
        """Remove all that was stored."""
        self._rows, self._counts = [], []
        if self.sheets or self.input_digests:
            self.storage.delete_all(specimens_prefix(self.job_id))
        self.sheets, self.input_digests = [], []

    def _store_sheet(self) -> None:
        rows, self._rows = self._rows, []
        key, data = sheet_key(self.job_id, len(self.sheets)), encode_sheet(rows)
        self.storage.put(key, data)
        first = rows[0].first_sample
        samples = rows[-1].first_sample + rows[-1].num_samples - first
        self.sheets.append(SheetRef(key, first, samples, len(rows), sha256(data).hexdigest()))

    def _add_counts(self, position: int, counts: Counts) -> None:
        number, place = divmod(position, INPUTS_AT_ONCE)
        if number > len(self.input_digests) and self._counts:
            self._store_counts()
        self.input_digests += [""] * (number - len(self.input_digests))
        self._counts += [np.zeros_like(counts)] * (place - len(self._counts))
        self._counts.append(counts)

    def _store_counts(self) -> None:
        first = len(self.input_digests) * INPUTS_AT_ONCE
        data, self._counts = encode_specimens(first, self._counts), []
        self.storage.put(specimens_key(self.job_id, first), data)
        self.input_digests.append(sha256(data).hexdigest())


def write_sheets(storage: Storage, job_id: UUID, inputs: Iterable[InputSpec]) -> SheetWriter:
    """All of a job's conditions, already at hand and numbered from 0. Raises StorageUnavailable."""
    writer = SheetWriter(storage, job_id)
    for position, item in enumerate(inputs):
        writer.add(position, item)
    writer.finish()
    return writer
