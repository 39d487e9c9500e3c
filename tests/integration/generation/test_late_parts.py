"""A worker that finds its lease lost when it is done deletes what it stored, unless a row names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy import text

from shared.database.engines import transaction
from shared.jobs.states import ChunkState
from shared.results.manifest import result_prefix
from shared.storage.objects import ObjectStorage, open_storage
from tests.integration.generation.conftest import LEASE, Workshop
from tests.support.jobs import read_chunks, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.complete import complete
from worker.generation.compute import compute
from worker.generation.plugs import Plugs
from worker.generation.setbacks import Setbacks
from worker.generation.storing import Computed, Writers
from worker.generation.work import Work
from worker.generation.write import write_part


def delayed(database: DatabaseEngine, folder: Path) -> ObjectStorage:
    """A storage in which a part takes so long that its chunk is given to somebody else."""

    class Delayed(ObjectStorage):
        def put(self, key: str, data: bytes) -> None:
            super().put(key, data)
            with transaction(database) as session:
                session.execute(text("UPDATE chunks SET token = nextval('lease_tokens')"))

    return Delayed(open_storage(f"file://{folder}").store, "delayed")


@pytest.fixture
def claimed(workshop: Workshop) -> Work:
    """A chunk that this worker owns."""
    save_job(workshop.database, [2])
    (work,) = claim(workshop.database, Claimant("worker", workshop.engines.claimable, LEASE, 8))
    return work


def store(workshop: Workshop, storage: ObjectStorage, work: Work) -> None:
    """As the pipeline does it."""
    engine = workshop.engines.of(work.model_id, work.model_version)
    (rows,) = compute(engine, storage, [work])
    plugs = Plugs(workshop.database, storage, workshop.heartbeat, workshop.engines)
    writers = Writers(plugs, Setbacks(plugs, 3))
    workshop.heartbeat.hold([work])
    writers.take(Computed(work, rows, engine.device))
    writers.wait()
    writers.close()


def test_a_part_that_comes_too_late_is_deleted_by_whoever_stored_it(
    workshop: Workshop, claimed: Work, tmp_path: Path
) -> None:
    """Row 14."""
    storage = delayed(workshop.database, tmp_path / "delayed")
    store(workshop, storage, claimed)
    assert storage.keys(result_prefix(claimed.job_id)) == []
    assert read_chunks(workshop.database, claimed.job_id)[0].state == ChunkState.RUNNING, "it is another's"


def test_a_part_that_a_row_names_is_kept_though_the_answer_to_its_commit_was_lost(
    workshop: Workshop, claimed: Work
) -> None:
    engine = workshop.engines.of(claimed.model_id, claimed.model_version)
    (rows,) = compute(engine, workshop.storage, [claimed])
    part = write_part(workshop.storage, claimed, rows, engine.device)
    complete(workshop.database, workshop.storage, claimed, part)
    store(workshop, workshop.storage, claimed)
    assert read_chunks(workshop.database, claimed.job_id)[0].part_key == part.key
    assert workshop.storage.get(part.key)
