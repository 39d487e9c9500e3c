"""A model, a storage on disk, and hands that take rows in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from shared.errors import Fault, QueryRejected
from shared.ontology.terms import Ontologies
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.sheets.row import Row
from shared.sheets.sheet import SheetRow, decode_sheet
from shared.sheets.taking_in import Intake, OnError, TakenIn
from shared.storage.objects import ObjectStorage, open_storage
from shared.storage.reports import report_key
from tests.support.catalogs import unread_model

JOB = UUID("11111111-2222-3333-4444-555555555555")

Take = Callable[..., TakenIn]
Refuse = Callable[..., QueryRejected]


@pytest.fixture(scope="session")
def ontologies() -> Ontologies:
    return Ontologies.open()


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> ModelRules:
    return unread_model(tmp_path_factory.mktemp("models")).rules


@pytest.fixture
def recognition(rules: ModelRules) -> ModelRules:
    return replace(rules, request_type=RequestType.PREDICT_METADATA)


@pytest.fixture
def storage(tmp_path: Path) -> ObjectStorage:
    return open_storage(f"file://{tmp_path}")


@pytest.fixture
def take(rules: ModelRules, ontologies: Ontologies, storage: ObjectStorage) -> Take:
    """Takes rows in."""

    def taken(rows: Iterable[Row], on_error: OnError = OnError.REJECT, **other: Any) -> TakenIn:
        return Intake(other.get("rules", rules), ontologies, storage, JOB, on_error).take(rows)

    return taken


@pytest.fixture
def refuse(take: Take) -> Refuse:
    """What rows that must be refused are refused with."""

    def refused(rows: Iterable[Row], **other: Any) -> QueryRejected:
        with pytest.raises(QueryRejected) as caught:
            take(rows, **other)
        return caught.value

    return refused


def stored(taken: TakenIn) -> list[SheetRow]:
    """The conditions that were stored, in order."""
    writer = taken.writer
    return [row for sheet in writer.sheets for row in decode_sheet(writer.storage.get(sheet.key))]


def reported(storage: ObjectStorage, report_id: UUID) -> list[dict[str, Any]]:
    """The lines of a report."""
    return [orjson.loads(line) for line in storage.get(report_key(report_id)).splitlines()]


def places(faults: Iterable[Fault]) -> list[tuple[int | None, str | None]]:
    """The line and the pointer of each fault."""
    return [(fault.line, fault.pointer) for fault in faults]


def pieces(body: bytes, size: int = 1 << 20) -> Iterator[bytes]:
    """A body as it is read."""
    return (body[first : first + size] for first in range(0, len(body), size))
