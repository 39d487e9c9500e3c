"""Small chunks of many jobs are completed in one transaction; what is wrong with one is its own affair."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from shared.database.engines import transaction
from shared.database.queries.cancelling import cancel_chunks, cancel_job
from shared.database.queries.leases import StoredPart
from shared.jobs.events import EventKind
from shared.jobs.states import ChunkState, JobState
from shared.results.manifest import result_prefix
from tests.integration.generation.conftest import LEASE, Workshop
from tests.support.jobs import read_chunks, read_events, read_job, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.complete import Stored, complete_together
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


def test_a_lease_that_was_lost_in_the_middle_of_a_group_is_the_affair_of_its_chunk(
    workshop: Workshop, jobs: list[UUID]
) -> None:
    """Somebody else has the chunk now; its neighbours are ready, and told so once."""
    made = computed(workshop)
    lost = made[2].work
    with transaction(workshop.database) as session:
        session.execute(text("UPDATE chunks SET token = token + 100 WHERE id = :id"), {"id": lost.chunk_id})
    assert store(workshop, made) == 4
    for job_id in jobs:
        mine = job_id == lost.job_id
        kinds = [event.kind for event in read_events(workshop.database, job_id)]
        assert read_job(workshop.database, job_id).state == (JobState.RUNNING if mine else JobState.READY)
        assert kinds.count(EventKind.READY) == kinds.count(EventKind.PROGRESS) == (0 if mine else 1)
    assert read_chunks(workshop.database, lost.job_id)[0].state == ChunkState.RUNNING
    assert workshop.storage.keys(result_prefix(lost.job_id)) == [], "its part came too late"


def test_two_chunks_of_one_job_are_both_counted_and_the_last_one_ends_it(
    workshop: Workshop, jobs: list[UUID]
) -> None:
    two = save_job(workshop.database, [2], per_chunk=1)
    assert store(workshop, computed(workshop)) == 7
    job, events = read_job(workshop.database, two), read_events(workshop.database, two)
    assert (job.state, job.samples_done, job.chunks_open) == (JobState.READY, 2, 0)
    assert [event.number for event in events] == [1, 2, 3, 4, 5]
    assert [event.data["samples_done"] for event in events[2:4]] == [1, 2]
    manifest = orjson.loads(workshop.storage.get(job.manifest_key or ""))
    assert [part["key"] for part in manifest["parts"]] == [
        chunk.part_key for chunk in read_chunks(workshop.database, two)
    ]
    assert {read_job(workshop.database, job_id).state for job_id in jobs} == {JobState.READY}


def test_a_group_with_two_chunks_of_one_job_is_refused_whole(workshop: Workshop, jobs: list[UUID]) -> None:
    """One of them would go uncounted."""
    two = save_job(workshop.database, [2], per_chunk=1)
    part = StoredPart("part", 10, "0" * 64, "cpu")
    group = [Stored(each.work, part) for each in computed(workshop)]
    with pytest.raises(ValueError, match="two chunks of one job"):
        complete_together(workshop.database, workshop.storage, group)
    for job_id in (*jobs, two):
        assert read_job(workshop.database, job_id).samples_done == 0
        assert {chunk.state for chunk in read_chunks(workshop.database, job_id)} == {ChunkState.RUNNING}


def test_inputs_that_failed_are_named_in_their_own_jobs_alone(workshop: Workshop, jobs: list[UUID]) -> None:
    """A job with a sample left is ready, one without has failed, and the others know nothing of it."""
    part = StoredPart("part", 10, "0" * 64, "cpu")
    halved = save_job(workshop.database, [1, 1], per_chunk=2)
    group = [Stored(each.work, part) for each in computed(workshop)]
    reasons = {jobs[1]: {0: "It was negative."}, halved: {1: "It was infinite."}}
    group = [replace(each, failures=reasons.get(each.work.job_id, {})) for each in group]
    complete_together(workshop.database, workshop.storage, group)
    states = {job_id: read_job(workshop.database, job_id).state for job_id in jobs}
    assert states.pop(jobs[1]) == JobState.FAILED
    assert read_job(workshop.database, jobs[1]).error == "It was negative."
    assert set(states.values()) == {JobState.READY}
    job = read_job(workshop.database, halved)
    assert (job.state, job.samples_done, job.samples_failed) == (JobState.READY, 1, 1)
    manifest = orjson.loads(workshop.storage.get(job.manifest_key or ""))
    assert manifest["failures"] == [{"input_index": 1, "reason": "It was infinite."}]
    *_, progress, ready = read_events(workshop.database, halved)
    assert progress.data == {"samples_done": 1, "samples_total": 2, "samples_failed": 1}
    assert ready.kind == EventKind.READY


def test_a_large_chunk_is_completed_alone(workshop: Workshop) -> None:
    """Nobody waits for the encoding of what he did not ask for."""
    save_job(workshop.database, [1])
    save_job(workshop.database, [70], per_chunk=70)
    save_job(workshop.database, [1])
    made = computed(workshop)
    assert store(workshop, made) == 72
    assert transactions(workshop) == 3
