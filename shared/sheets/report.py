"""What is wrong with the rows of a large request: counted, the first at hand, all written to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
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
    """Gathers faults row by row; those beyond the first lie on disk until all are stored.

    Rows of a design come of few values: what is wrong with one of these is told once.
    """

    rows: int = 0
    first_rows: list[dict[str, Any]] = field(default_factory=list)
    _first: list[Fault] = field(default_factory=list)
    _spoiled: Counter[Fault] = field(default_factory=Counter)  # rows, by what spoiled them
    _file: IO[bytes] | None = None

    @property
    def first(self) -> tuple[Fault, ...]:
        """The faults that an answer lists."""
        return tuple(islice(chain(self._first, self._of_designs()), FIRST))

    def add(self, row: Row, faults: Sequence[Fault]) -> None:
        """The faults of one row."""
        self.rows += 1
        if len(self.first_rows) < FIRST:
            said = "; ".join(fault.message for fault in faults)
            self.first_rows.append({"input_index": row.number, "line": row.line, "message": said})
        if row.origin is not None:
            self._spoiled.update(dict.fromkeys(faults, 1))
            return
        self._first += faults[: FIRST - len(self._first)]
        self._write(faults)

    def store(self, storage: Storage) -> UUID:
        """Put the whole report into the storage; its id. Raises StorageUnavailable."""
        report_id = uuid4()
        self._write(self._of_designs())
        storage.write_stream(report_key(report_id), self._pieces())
        return report_id

    def close(self) -> None:
        """Let go of the disk."""
        if self._file is not None:
            self._file.close()

    def _of_designs(self) -> Iterator[Fault]:
        for fault, rows in self._spoiled.items():
            spoils = f"It spoils {rows:,} combinations." if rows > 1 else "It spoils one combination."
            yield replace(fault, message=f"{fault.message} {spoils}")

    def _write(self, faults: Iterable[Fault]) -> None:
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._file.writelines(orjson.dumps(asdict(fault)) + b"\n" for fault in faults)

    def _pieces(self) -> Iterator[bytes]:
        assert self._file is not None, "a report is stored where there is something to report"
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece
