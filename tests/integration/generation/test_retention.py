"""What upkeep deletes: objects that no row points at, and keys whose time is over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select, text

from shared.database.engines import transaction
from shared.database.queries.idempotency import save_key
from shared.database.queries.leases import StoredPart
from shared.database.tables import IdempotencyKey
from shared.results.manifest import part_key
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.jobs import read_job, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.complete import complete
from worker.generation.retention import forget_idempotency_keys, sweep_results

NOW, HOUR = timedelta(seconds=-1), timedelta(hours=1)


@pytest.fixture
def storage(tmp_path: Path) -> ObjectStorage:
    return open_storage(f"file://{tmp_path}/objects")


def test_parts_of_attempts_that_came_to_nothing_are_deleted_once_they_are_old(
    engine: Engine, storage: ObjectStorage
) -> None:
    """Row 31: the parts that rows point at stay, and so does everything of a job that is not over."""
    done, open_job = save_job(engine, [1]), save_job(engine, [1])
    (work,) = claim(engine, Claimant("w", lambda: {"gem-1-bulk": [1]}, HOUR, 1))
    kept = part_key(done, 0, work.token)
    stray = [part_key(done, 0, work.token - 1), part_key(uuid4(), 0, 1)]
    early = part_key(open_job, 0, 1)
    for key in (kept, early, "results/notes.txt", *stray):
        storage.put(key, b"rows")
    complete(engine, storage, work, StoredPart(kept, 4, "0" * 64, "cpu"))
    assert sweep_results(engine, storage, HOUR) == 0
    assert sweep_results(engine, storage, NOW) == 2
    manifest = read_job(engine, done).manifest_key or ""
    assert storage.keys("results") == sorted(["results/notes.txt", kept, early, manifest])


def test_an_idempotency_key_is_forgotten_after_72_hours(engine: Engine) -> None:
    job_id = save_job(engine, [1])
    workspace = read_job(engine, job_id).workspace_id
    with transaction(engine) as session:
        for key in ("old", "new"):
            session.execute(save_key(workspace, key, "digest", job_id))
        ago = "UPDATE idempotency_keys SET created_at = now() - interval '73 h' WHERE key = 'old'"
        session.execute(text(ago))
    forget_idempotency_keys(engine)
    with transaction(engine) as session:
        assert session.scalars(select(IdempotencyKey.key)).all() == ["new"]
