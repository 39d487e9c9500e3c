"""The real process of a generation worker, on real servers: how it ends, and what it leaves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select

from shared.database.engines import transaction
from shared.database.queries.cancelling import cancel_chunks, cancel_job
from shared.database.tables import Chunk
from shared.jobs.states import ChunkState, JobState
from shared.storage.objects import open_storage
from tests.support.jobs import read_chunks, read_job, save_job
from tests.support.models import tiny_catalog
from tests.support.processes import wait_until

Start = Callable[..., subprocess.Popen[bytes]]
CHUNKS, PER_CHUNK = 20_000, 8  # more than any worker computes while it is told to end
PATIENCE = 120


@pytest.fixture
def start(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts workers; the arguments are more of their settings."""
    tiny_catalog(tmp_path / "models")
    processes: list[subprocess.Popen[bytes]] = []

    def run(**settings: str) -> subprocess.Popen[bytes]:
        given = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "STORAGE_URL": f"file://{tmp_path}/objects",
            "MODELS_DIR": str(tmp_path / "models"),
            "MODELS_CACHE": str(tmp_path / "cache"),
            "DEVICE": "cpu",
            "BATCH_SAMPLES": "8",
            **settings,
        }
        environment = {**os.environ, **{f"GENEQUEUE_{name}": value for name, value in given.items()}}
        with (tmp_path / "worker.log").open("ab") as output:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "worker.gpu"], env=environment, stdout=output, stderr=output
                )
            )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def done(engine: Engine, job_id: UUID) -> int:
    """How many of its chunks are done."""
    with transaction(engine) as session:
        ended = select(func.count()).where(Chunk.job_id == job_id, Chunk.state == ChunkState.DONE)
        return session.scalars(ended).one()


def wait_for_more(engine: Engine, job_id: UUID) -> None:
    """Until one more of its chunks is done."""
    before = done(engine, job_id)
    wait_until(lambda: done(engine, job_id) > before, PATIENCE)


def parts(engine: Engine, job_id: UUID, folder: Path) -> list[bytes]:
    """Of its chunks that are done."""
    storage = open_storage(f"file://{folder}/objects")
    return [storage.get(chunk.part_key) for chunk in read_chunks(engine, job_id) if chunk.part_key]


def cancel(engine: Engine, job_id: UUID) -> None:
    """What the API does."""
    with transaction(engine) as session:
        session.execute(cancel_chunks(job_id))
        session.execute(cancel_job(job_id))


def test_a_worker_that_is_told_to_end_at_any_time_finishes_its_batch_and_nothing_is_computed_twice(
    engine: Engine, start: Start, tmp_path: Path
) -> None:
    """Row 9."""
    choose = random.Random(4)
    job_id = save_job(engine, [CHUNKS * PER_CHUNK], per_chunk=PER_CHUNK)
    for _ in range(3):
        worker = start()
        wait_for_more(engine, job_id)
        time.sleep(choose.uniform(0, 1))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
        chunks = {(chunk.state, chunk.attempts) for chunk in read_chunks(engine, job_id)}
        assert chunks == {(ChunkState.DONE, 1), (ChunkState.QUEUED, 0)}
    cancel(engine, job_id)
    disturbed = parts(engine, job_id, tmp_path)
    undisturbed = save_job(engine, [len(disturbed) * PER_CHUNK], per_chunk=PER_CHUNK)
    start()
    wait_until(lambda: read_job(engine, undisturbed).state == JobState.READY, 2 * PATIENCE)
    assert disturbed == parts(engine, undisturbed, tmp_path)


def test_a_worker_that_grew_too_large_ends_between_batches_and_leaves_nothing_on_lease(
    engine: Engine, start: Start
) -> None:
    """Row 8: whoever supervises it starts another."""
    job_id = save_job(engine, [80], per_chunk=8)
    assert start(MEMORY_BYTES="1000000").wait(PATIENCE) == 0
    assert {chunk.state for chunk in read_chunks(engine, job_id)} == {ChunkState.DONE, ChunkState.QUEUED}
    assert start(MEMORY_BYTES="1000000").wait(PATIENCE) == 0
    assert done(engine, job_id) == 2, "a batch each"
