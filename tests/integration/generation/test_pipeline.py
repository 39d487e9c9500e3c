"""The pipeline on a real Postgres, a real storage and a real engine: from queued rows to stored parts."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text, update

from shared.database.engines import sync_engine, transaction
from shared.database.queries.workers import live_workers
from shared.database.tables import Job
from shared.errors import StorageUnavailable
from shared.jobs.states import ChunkState, JobState
from shared.storage.objects import open_storage
from tests.integration.generation.conftest import LEASE, Workshop
from tests.support.jobs import read_chunks, read_job, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.engines import Engines
from worker.generation.heartbeat import Heartbeat, WorkerCard


def test_a_queued_job_becomes_ready_with_a_row_for_each_sample(workshop: Workshop) -> None:
    job_id = save_job(workshop.database, [3, 2], per_chunk=2)
    assert workshop.drain() == 5
    assert read_job(workshop.database, job_id).state == JobState.READY
    table = workshop.table(job_id)
    assert table.column("input_index").to_pylist() == [0, 0, 0, 1, 1]
    assert table.column("sample_index").to_pylist() == [0, 1, 2, 0, 1]
    assert set(table.column("tissue_ontology_id").to_pylist()) == {"UBERON:0002107"}


def test_a_job_is_the_same_whatever_its_chunks_and_batches(workshop: Workshop) -> None:
    one, other = (save_job(workshop.database, [9, 4], per_chunk=size) for size in (13, 3))
    workshop.drain(batch_samples=5)
    assert workshop.table(one).equals(workshop.table(other))


def test_a_repeated_job_gives_equal_bytes_and_another_seed_others(workshop: Workshop) -> None:
    one, same, other = (save_job(workshop.database, [6], per_chunk=3, seed=seed) for seed in (1, 1, 2))
    workshop.drain()
    assert workshop.parts(one) == workshop.parts(same)
    assert workshop.parts(one) != workshop.parts(other)


def test_the_manifest_holds_the_digests_of_the_stored_parts(workshop: Workshop) -> None:
    job_id = save_job(workshop.database, [5], per_chunk=2)
    workshop.drain()
    manifest = orjson.loads(workshop.storage.get(read_job(workshop.database, job_id).manifest_key or ""))
    stored = workshop.parts(job_id)
    assert [part["sha256"] for part in manifest["parts"]] == [hashlib.sha256(p).hexdigest() for p in stored]
    assert [part["bytes"] for part in manifest["parts"]] == [len(part) for part in stored]
    assert {part["device"] for part in manifest["parts"]} == {workshop.engines.of("gem-1-bulk", 1).device}


def test_the_manifest_says_how_well_the_query_was_covered(workshop: Workshop) -> None:
    job_id = save_job(workshop.database, [1])
    unknown = {"field": "perturbation_ontology_id", "value": "CHEBI:27641", "coverage": "unknown"}
    with transaction(workshop.database) as session:
        kept = {"coverage": [unknown], "warnings": ["it has no effect"]}
        session.execute(update(Job).where(Job.id == job_id).values(**kept))
    workshop.drain()
    manifest = orjson.loads(workshop.storage.get(read_job(workshop.database, job_id).manifest_key or ""))
    assert (manifest["coverage"], manifest["warnings"]) == ([unknown], ["it has no effect"])


def test_jobs_of_both_models_are_drained_in_one_go(workshop: Workshop) -> None:
    jobs = [save_job(workshop.database, [2], model_id=model) for model in ("gem-1-bulk", "gem-1-sc")]
    workshop.drain()
    assert {read_job(workshop.database, job_id).state for job_id in jobs} == {JobState.READY}


def test_a_job_that_cannot_be_computed_fails_with_a_reason_and_its_neighbours_are_delivered(
    workshop: Workshop,
) -> None:
    good, bad = save_job(workshop.database, [2]), save_job(workshop.database, [2])
    with transaction(workshop.database) as session:
        # No query says this; the engine's check of its output refuses what comes of it.
        session.execute(text("UPDATE jobs SET total_count = -5000 WHERE id = :id"), {"id": bad})
    workshop.drain()
    assert read_job(workshop.database, good).state == JobState.READY
    failed = read_job(workshop.database, bad)
    assert failed.state == JobState.FAILED
    assert failed.error
    assert {chunk.attempts for chunk in read_chunks(workshop.database, bad)} == {3}


def test_nothing_is_claimed_once_the_worker_is_asked_to_stop(workshop: Workshop) -> None:
    job_id = save_job(workshop.database, [2])
    pipeline = workshop.pipeline()
    assert pipeline.drain(lambda: True) == 0
    pipeline.close()
    assert {chunk.state for chunk in read_chunks(workshop.database, job_id)} == {ChunkState.QUEUED}


def test_the_heartbeat_keeps_what_is_held_and_notices_what_was_taken(workshop: Workshop) -> None:
    save_job(workshop.database, [2], per_chunk=1)
    brief = Claimant("worker", workshop.engines.claimable, timedelta(seconds=1), 2)
    kept, taken = claim(workshop.database, brief)
    until = read_chunks(workshop.database, kept.job_id)[kept.position].lease_expires_at
    workshop.heartbeat.hold([kept, taken])
    with transaction(workshop.database) as session:
        session.execute(text("UPDATE chunks SET token = token + 100 WHERE id = :id"), {"id": taken.chunk_id})
    workshop.beats.wait()
    assert (workshop.heartbeat.holds(kept), workshop.heartbeat.holds(taken)) == (True, False)
    renewed = read_chunks(workshop.database, kept.job_id)[kept.position].lease_expires_at
    assert until is not None
    assert renewed is not None
    assert renewed - until > LEASE / 2
    workshop.heartbeat.drop(kept)


def test_a_worker_is_known_while_it_lives_and_forgotten_when_it_stops(
    database_url: str, engines: Engines
) -> None:
    database = sync_engine(database_url)
    with Heartbeat(
        database, WorkerCard("w", "cpu", lambda: {"gem-1-bulk": [1, 2]}), LEASE, timedelta(seconds=1)
    ):
        with transaction(database) as session:
            (worker,) = session.scalars(live_workers(timedelta(minutes=1)))
            assert (worker.id, worker.device, worker.models) == ("w", "cpu", {"gem-1-bulk": [1, 2]})
    with transaction(database) as session:
        assert session.scalars(live_workers(timedelta(minutes=1))).all() == []
    database.dispose()


def test_a_storage_that_is_away_ends_the_drain_and_costs_no_attempt(
    database_url: str, engines: Engines, tmp_path: Path
) -> None:
    storage = open_storage(f"file://{tmp_path}/objects")
    (tmp_path / "objects").rename(tmp_path / "away")
    (tmp_path / "objects").touch()
    database = sync_engine(database_url)
    with Heartbeat(database, WorkerCard("w", "cpu"), LEASE, timedelta(seconds=1)) as heartbeat:
        workshop = Workshop(database, storage, heartbeat, engines)
        job_id = save_job(database, [40], per_chunk=2)
        with pytest.raises(StorageUnavailable, match="objects"):
            workshop.drain(batch_samples=2)
        chunks = read_chunks(database, job_id)
        assert {chunk.state for chunk in chunks} == {ChunkState.QUEUED}
        assert {chunk.attempts for chunk in chunks} == {0}
        (tmp_path / "objects").unlink()
        (tmp_path / "away").rename(tmp_path / "objects")
        assert workshop.drain() == 40
    database.dispose()
