"""What upkeep deletes of what was sent: uploads nobody went on with, bodies without a row, old reports."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select

from shared.database.engines import transaction
from shared.database.queries.keys import ensure_workspace
from shared.database.queries.uploads import hold_upload, save_upload
from shared.database.tables import Upload
from shared.sheets.body import piece_key
from shared.storage.objects import ObjectStorage, open_storage
from shared.storage.reports import report_key
from worker.generation.bodies import expire_uploads, sweep_bodies, sweep_reports

NOW, HOUR, OVER = timedelta(seconds=-1), timedelta(hours=1), timedelta(hours=-1)


@pytest.fixture
def storage(tmp_path: Path) -> ObjectStorage:
    return open_storage(f"file://{tmp_path}/objects")


def begun(engine: Engine, storage: ObjectStorage, lifetime: timedelta) -> Upload:
    """An upload of which two pieces are there."""
    with transaction(engine) as session:
        workspace_id = session.execute(ensure_workspace("default")).scalar_one()
        values = {"workspace_id": workspace_id, "length": 9}
        upload = session.scalars(save_upload(values, lifetime)).one()
    for offset in (0, 4):
        storage.put(piece_key(upload.id, offset), b"0123")
    return upload


def kept(engine: Engine) -> set[UUID]:
    with transaction(engine) as session:
        return set(session.scalars(select(Upload.id)))


def test_an_upload_that_nobody_went_on_with_is_deleted_with_its_pieces(
    engine: Engine, storage: ObjectStorage
) -> None:
    over, open_one = begun(engine, storage, OVER), begun(engine, storage, HOUR)
    assert expire_uploads(engine, storage) == 1
    assert expire_uploads(engine, storage) == 0
    assert kept(engine) == {open_one.id}
    assert storage.keys("uploads") == [piece_key(open_one.id, 0), piece_key(open_one.id, 4)]
    assert over.id != open_one.id


def test_an_upload_that_somebody_writes_to_is_left_for_the_next_round(
    engine: Engine, storage: ObjectStorage
) -> None:
    over = begun(engine, storage, OVER)
    with transaction(engine) as session:
        session.execute(hold_upload(over.id, over.workspace_id)).one()
        assert expire_uploads(engine, storage) == 0
    assert expire_uploads(engine, storage) == 1


def test_a_body_without_a_row_is_deleted_once_it_is_old(engine: Engine, storage: ObjectStorage) -> None:
    """Bodies of large requests have none, nor does what a deletion left that was cut short."""
    open_one, stray = begun(engine, storage, HOUR), uuid4()
    storage.put(piece_key(stray, 0), b"rows")
    storage.put("uploads/notes.txt", b"ours it is not")
    assert sweep_bodies(engine, storage) == 0
    assert sweep_bodies(engine, storage, NOW) == 1
    mine = [piece_key(open_one.id, 0), piece_key(open_one.id, 4)]
    assert storage.keys("uploads") == sorted([*mine, "uploads/notes.txt"])


def test_a_report_is_deleted_after_its_time(storage: ObjectStorage) -> None:
    storage.put(report_key(uuid4()), b"{}\n")
    assert sweep_reports(storage, timedelta(days=7)) == 0
    assert sweep_reports(storage, NOW) == 1
    assert storage.keys("reports") == []
