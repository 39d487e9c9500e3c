"""What is wrong with the rows of a large request: counted, the first at hand, all written to a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID, uuid4

import orjson

from shared.errors import Fault
from shared.sheets.row import Row
from shared.storage.port import Storage
from shared.storage.reports import report_key

FIRST = 1_000
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Rejected:
    """Rows that were left out: how many, the report on all their faults, and what the first of them say."""

    rows: int
    report: UUID
    first: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """As `jobs.rejected` keeps it."""
        return {"rows": self.rows, "report": report_key(self.report), "first": list(self.first)}


@dataclass(slots=True)
class Report:
    """Gathers faults row by row; those beyond the first lie on disk until all are stored."""

    rows: int = 0
    first: list[Fault] = field(default_factory=list)
    first_rows: list[dict[str, Any]] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def add(self, row: Row, faults: Sequence[Fault]) -> None:
        """The faults of one row."""
        self.rows += 1
        self.first += faults[: FIRST - len(self.first)]
        if len(self.first_rows) < FIRST:
            said = "; ".join(fault.message for fault in faults)
            self.first_rows.append({"input_index": row.number, "line": row.line, "message": said})
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._file.writelines(orjson.dumps(asdict(fault)) + b"\n" for fault in faults)

    def store(self, storage: Storage) -> UUID:
        """Put the whole report into the storage; its id. Raises StorageUnavailable."""
        report_id = uuid4()
        storage.write_stream(report_key(report_id), self._pieces())
        return report_id

    def close(self) -> None:
        """Let go of the disk."""
        if self._file is not None:
            self._file.close()

    def _pieces(self) -> Iterator[bytes]:
        assert self._file is not None, "a report is stored where there is something to report"
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece
