"""Takes rows in: good ones go to the sheets, bad ones to the report, and nothing is held but the sums."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from uuid import UUID

from shared.errors import Fault, QueryRejected, RowsRejected
from shared.ontology.terms import Ontologies
from shared.queries.coverage import CoverageOfInputs
from shared.queries.extent import Extent
from shared.queries.inputs import INPUTS, too_many_inputs, too_many_samples
from shared.queries.rules import ModelRules
from shared.sheets.checking import RowChecker
from shared.sheets.report import Rejected, Report
from shared.sheets.row import Row
from shared.sheets.writing import SheetWriter
from shared.storage.port import Storage

# Whoever checks rows holds the interpreter; after so many, others get their turn.
_ROWS_AT_ONCE, _PAUSE = 64, 0.0002


class OnError(StrEnum):
    """What bad rows do to a query."""

    REJECT = "reject"  # nothing runs
    SKIP = "skip"  # the good rows run


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The inputs of a large query: how much they ask for, what they say, where they lie, what was bad."""

    writer: SheetWriter
    extent: Extent
    coverage: CoverageOfInputs
    rejected: Rejected | None


@dataclass(slots=True)
class Intake:
    """One large query on its way in. For a thread: reading and storing block."""

    rules: ModelRules
    ontologies: Ontologies
    storage: Storage
    job_id: UUID
    on_error: OnError

    def take(self, rows: Iterable[Row]) -> TakenIn:
        """Check all rows and store the good ones; what is stored of a query that is refused is removed.

        Raises RowsRejected, QueryRejected, StorageUnavailable, and what reading the rows raises.
        """
        writer = SheetWriter(self.storage, self.job_id)
        with closing(Report()) as report:
            try:
                return self._taken(iter(rows), writer, report)
            except BaseException:
                writer.discard()
                raise

    def _taken(self, rows: Iterator[Row], writer: SheetWriter, report: Report) -> TakenIn:
        extent, coverage, read = Extent(), CoverageOfInputs(), 0
        checker, limits = RowChecker(self.rules, self.ontologies), self.rules.limits
        while batch := list(islice(rows, min(_ROWS_AT_ONCE, limits.inputs + 1 - read))):
            read += len(batch)
            if read > limits.inputs:
                self._refuse(too_many_inputs(read + sum(1 for _ in rows), limits))
            for row in batch:
                item, faults = checker.check(row)
                if item is None:
                    report.add(row, faults)
                    continue
                extent.add(row.number, item)
                coverage.add(row.number, item)
                if self._keeps(report, extent):
                    writer.add(row.number, item)
            time.sleep(_PAUSE)
        if extent.samples > limits.samples:
            self._refuse(too_many_samples(extent.samples, limits))
        if not read:
            self._refuse("There are no rows; send at least one.")
        rejected = self._rejected(report, nothing_left=not extent.inputs)
        writer.finish()
        return TakenIn(writer, extent, coverage, rejected)

    def _keeps(self, report: Report, extent: Extent) -> bool:
        """Whether it may still come to a job; else rows are only looked at."""
        refused = report.rows and self.on_error is OnError.REJECT
        return not refused and extent.samples <= self.rules.limits.samples

    def _rejected(self, report: Report, *, nothing_left: bool) -> Rejected | None:
        if not report.rows:
            return None
        report_id = report.store(self.storage)
        if self.on_error is OnError.REJECT or nothing_left:
            raise RowsRejected(report.first, report.rows, report_id)
        return Rejected(report.rows, report_id, tuple(report.first_rows))

    @staticmethod
    def _refuse(said: str) -> None:
        raise QueryRejected((Fault(INPUTS, said),))
