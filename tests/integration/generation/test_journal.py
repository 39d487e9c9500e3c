"""What a worker says and counts: lines about a chunk carry its ids, in whichever thread they are written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
import torch
from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy import text

from shared import metrics
from shared.database.engines import sync_engine, transaction
from shared.errors import StorageUnavailable
from shared.shelf import Shelf
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.jobs import save_job
from tests.support.models import tiny_catalog
from worker.generation.claim import Claimant, claim
from worker.generation.engines import Engines
from worker.generation.heartbeat import Heartbeat, WorkerCard
from worker.generation.pipeline import Pipeline
from worker.generation.plugs import Plugs
from worker.generation.recovery import recover
from worker.inference.engine import Engine

LEASE = timedelta(seconds=30)
IDS = {"job", "request_id", "chunk", "attempt", "model", "version"}


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    capture = structlog.testing.LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture.entries
    structlog.reset_defaults()


@pytest.fixture
def database(database_url: str) -> Iterator[DatabaseEngine]:
    made = sync_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    folder = tmp_path_factory.mktemp("models")
    shelf = Shelf(tiny_catalog(folder), open_storage(f"file://{folder}/objects"), folder / "cache")
    return Engines(shelf, lambda model: Engine.open(model, torch.device("cpu")), 4)


class FullDisk(ObjectStorage):
    """A storage that takes nothing."""

    def put(self, key: str, data: bytes) -> None:
        raise StorageUnavailable("The disk is full.")


def requested_job(database: DatabaseEngine, request: str, sizes: list[int]) -> UUID:
    job = save_job(database, sizes, per_chunk=2)
    with transaction(database) as session:
        session.execute(
            text("UPDATE jobs SET request_id = :request WHERE id = :job"), {"request": request, "job": job}
        )
    return job


def claimant(engines: Engines, lease: timedelta = LEASE) -> Claimant:
    return Claimant("w", engines.claimable, lease, 64)


def drain(database: DatabaseEngine, storage: ObjectStorage, engines: Engines) -> None:
    with Heartbeat(database, WorkerCard("w", "cpu"), LEASE, timedelta(seconds=5)) as heartbeat:
        pipeline = Pipeline(Plugs(database, storage, heartbeat, engines), claimant(engines), 3)
        try:
            pipeline.drain(lambda: False)
        finally:
            pipeline.close()


def counted(name: str, **labels: str) -> float:
    return metrics.WORKER.get_sample_value(name, labels) or 0.0


def test_the_lines_of_writer_threads_carry_the_ids_of_their_chunk(
    database: DatabaseEngine, engines: Engines, tmp_path: Path, lines: list[Any]
) -> None:
    jobs = {str(requested_job(database, f"trace-{n}", [4])): f"trace-{n}" for n in (1, 2)}
    drain(database, open_storage(f"file://{tmp_path}"), engines)
    done = [line for line in lines if line["event"] == "chunk.done"]
    assert {(line["job"], line["chunk"]) for line in done} == {(job, n) for job in jobs for n in (0, 1)}
    for line in done:
        assert line.keys() >= IDS
        assert line["request_id"] == jobs[line["job"]]
    claimed = next(line for line in lines if line["event"] == "batch.claimed")
    assert (claimed["jobs"], claimed["request_ids"]) == (sorted(jobs), ["trace-1", "trace-2"])


def test_a_failure_to_store_is_told_with_the_ids_of_its_chunk(
    database: DatabaseEngine, engines: Engines, tmp_path: Path, lines: list[Any]
) -> None:
    job = requested_job(database, "trace-3", [2])
    full = FullDisk(open_storage(f"file://{tmp_path}").store, "full")
    with pytest.raises(StorageUnavailable):
        drain(database, full, engines)
    failed = next(line for line in lines if line["event"] == "chunk.failed")
    assert failed.keys() >= IDS
    assert (failed["job"], failed["request_id"], failed["attempt"]) == (str(job), "trace-3", 1)


def test_a_lease_that_is_taken_back_is_told_and_counted(
    database: DatabaseEngine, engines: Engines, lines: list[Any], tmp_path: Path
) -> None:
    job = requested_job(database, "trace-4", [2])
    before = counted("genequeue_leases_taken_back_total", model="gem-1-bulk", lane="interactive")
    assert claim(database, claimant(engines, lease=timedelta(seconds=-1)))
    recover(database, open_storage(f"file://{tmp_path}"), max_attempts=3)
    (line,) = [line for line in lines if line["event"] == "lease.taken_back"]
    assert line.keys() >= IDS
    assert (line["job"], line["request_id"], line["state"]) == (str(job), "trace-4", "queued")
    assert counted("genequeue_leases_taken_back_total", model="gem-1-bulk", lane="interactive") == before + 1


def test_batches_samples_and_attempts_are_counted_by_model_and_lane(
    database: DatabaseEngine, engines: Engines, tmp_path: Path
) -> None:
    def figures() -> list[float]:
        return [
            counted("genequeue_samples_total", model="gem-1-bulk", lane="bulk"),
            counted("genequeue_chunk_attempts_total", model="gem-1-bulk", lane="bulk", outcome="done"),
            counted("genequeue_batch_fill_ratio_count", model="gem-1-bulk"),
            counted("genequeue_batch_fill_ratio_sum", model="gem-1-bulk"),
            counted("genequeue_batch_seconds_count", model="gem-1-bulk"),
            counted("genequeue_claim_wait_seconds_count", model="gem-1-bulk", lane="bulk"),
        ]

    before = figures()
    save_job(database, [16], per_chunk=8, lane="bulk")
    drain(database, open_storage(f"file://{tmp_path}"), engines)
    assert [after - was for after, was in zip(figures(), before, strict=True)] == [16, 2, 1, 0.25, 1, 2]


def test_a_claim_knows_how_long_its_chunks_waited_by_the_clock_of_the_database(
    database: DatabaseEngine, engines: Engines
) -> None:
    save_job(database, [2], per_chunk=2)
    with transaction(database) as session:
        session.execute(text("UPDATE chunks SET queued_at = now() - interval '40 seconds'"))
    (work,) = claim(database, claimant(engines))
    assert timedelta(seconds=40) <= work.waited < timedelta(minutes=5)
