"""Small chunks of many jobs are completed in one transaction; what is wrong with one is its own affair."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from shared.database.engines import transaction
from shared.database.queries.cancelling import cancel_chunks, cancel_job
from shared.jobs.states import ChunkState, JobState
from shared.results.manifest import result_prefix
from tests.integration.generation.conftest import LEASE, Workshop
from tests.support.jobs import read_chunks, read_job, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.compute import compute
from worker.generation.plugs import Plugs
from worker.generation.setbacks import Setbacks
from worker.generation.storing import Computed, Writers


@pytest.fixture
def jobs(workshop: Workshop) -> list[UUID]:
    """Five queries of one sample."""
    return [save_job(workshop.database, [1]) for _ in range(5)]


def computed(workshop: Workshop) -> list[Computed]:
    """Everything that is queued, computed by this worker and not stored yet."""
    works = claim(workshop.database, Claimant("worker", workshop.engines.claimable, LEASE, 128))
    workshop.heartbeat.hold(works)
    engine = workshop.engines.of(works[0].model_id, works[0].model_version)
    parts = compute(engine, workshop.storage, works)
    return [Computed(work, rows, engine.device) for work, rows in zip(works, parts, strict=True)]


def store(workshop: Workshop, made: list[Computed]) -> int:
    """As the pipeline does it; the number of samples stored."""
    plugs = Plugs(workshop.database, workshop.storage, workshop.heartbeat, workshop.engines)
    writers = Writers(plugs, Setbacks(plugs, 3))
    writers.take(*made)
    writers.wait()
    writers.close()
    return writers.stored


def transactions(workshop: Workshop) -> int:
    """In how many the jobs were written last."""
    with transaction(workshop.database) as session:
        return len(session.execute(text("SELECT DISTINCT xmin::text FROM jobs")).all())


def test_five_small_jobs_end_in_one_transaction(workshop: Workshop, jobs: list[UUID]) -> None:
    made = computed(workshop)
    assert store(workshop, made) == 5
    assert transactions(workshop) == 1
    assert {read_job(workshop.database, job_id).state for job_id in jobs} == {JobState.READY}
    assert len({read_chunks(workshop.database, job_id)[0].part_key for job_id in jobs}) == 5


def test_a_job_that_was_cancelled_meanwhile_stays_so_and_its_neighbours_are_ready(
    workshop: Workshop, jobs: list[UUID]
) -> None:
    made, cancelled = computed(workshop), jobs[2]
    with transaction(workshop.database) as session:
        session.execute(cancel_chunks(cancelled))
        session.execute(cancel_job(cancelled))
    assert store(workshop, made) == 4
    states = {job_id: read_job(workshop.database, job_id).state for job_id in jobs}
    assert states.pop(cancelled) == JobState.CANCELLED
    assert set(states.values()) == {JobState.READY}
    assert workshop.storage.keys(result_prefix(cancelled)) == [], "what nobody wants is deleted"
    assert read_chunks(workshop.database, cancelled)[0].state == ChunkState.CANCELLED


def test_a_large_chunk_is_completed_alone(workshop: Workshop) -> None:
    """Nobody waits for the encoding of what he did not ask for."""
    save_job(workshop.database, [1])
    save_job(workshop.database, [70], per_chunk=70)
    save_job(workshop.database, [1])
    made = computed(workshop)
    assert store(workshop, made) == 72
    assert transactions(workshop) == 3
