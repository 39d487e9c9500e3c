"""A cancelled job as its worker sees it: what is not begun is not begun, and what is finished stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import torch
from sqlalchemy import Engine as DatabaseEngine

from shared.catalog import Model
from shared.database.engines import transaction
from shared.database.queries.cancelling import cancel_chunks, cancel_job
from shared.errors import GenerationError, LeaseLost
from shared.jobs.states import ChunkState, JobState
from tests.integration.generation.conftest import Workshop
from tests.support.jobs import read_chunks, read_job, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.complete import complete, fail, try_again
from worker.generation.compute import compute
from worker.generation.engines import Engines
from worker.generation.recovery import recover
from worker.generation.work import Work
from worker.generation.write import write_part
from worker.inference.batch import Batch, Generated
from worker.inference.engine import Engine


def cancel(database: DatabaseEngine, job_id: UUID) -> None:
    """What the API does."""
    with transaction(database) as session:
        session.execute(cancel_chunks(job_id))
        session.execute(cancel_job(job_id))


def claimed(workshop: Workshop, samples: int) -> list[Work]:
    claimant = Claimant("worker", workshop.engines.claimable, timedelta(minutes=1), samples)
    return claim(workshop.database, claimant)


def states(workshop: Workshop, job_id: UUID) -> list[str]:
    return [chunk.state for chunk in read_chunks(workshop.database, job_id)]


def test_what_was_cancelled_while_no_worker_lived_is_never_begun(workshop: Workshop) -> None:
    """Row 10."""
    job_id = save_job(workshop.database, [4], per_chunk=2)
    cancel(workshop.database, job_id)
    assert workshop.drain() == 0
    assert states(workshop, job_id) == [ChunkState.CANCELLED] * 2
    assert {chunk.attempts for chunk in read_chunks(workshop.database, job_id)} == {0}


def test_a_cancel_at_half_keeps_what_is_finished_and_stops_the_rest(workshop: Workshop) -> None:
    """Row 33: final is final."""
    job_id = save_job(workshop.database, [4], per_chunk=2)
    engine = workshop.engines.of("gem-1-bulk", 1)
    first, second = claimed(workshop, 4)
    parts = [
        write_part(workshop.storage, work, rows, engine.device)
        for work, rows in zip(
            (first, second), compute(engine, workshop.storage, [first, second]), strict=True
        )
    ]
    complete(workshop.database, workshop.storage, first, parts[0])
    cancel(workshop.database, job_id)
    with pytest.raises(LeaseLost):
        complete(workshop.database, workshop.storage, second, parts[1])
    fail(workshop.database, workshop.storage, second, {0: "broken"})
    try_again(workshop.database, second, "broken")
    recover(workshop.database, workshop.storage, 3)
    assert states(workshop, job_id) == [ChunkState.DONE, ChunkState.CANCELLED]
    job = read_job(workshop.database, job_id)
    assert (job.state, job.samples_done, job.samples_failed, job.error) == (JobState.CANCELLED, 2, 0, None)


class Interrupted(Engine):
    """An engine during whose every answer something happens."""

    calls = 0
    meanwhile: Callable[[], None]
    valid = True

    def generate(self, batch: Batch) -> Generated:
        self.calls += 1
        self.meanwhile()
        if not self.valid:
            raise GenerationError("The model gave negative counts.")
        return super().generate(batch)


@pytest.fixture
def interrupted(workshop: Workshop) -> Interrupted:
    """The engine of this workshop's bulk model."""
    made: list[Interrupted] = []

    def load(model: Model) -> Engine:
        made.append(Interrupted.open(model, torch.device("cpu")))
        return made[-1]

    workshop.engines = Engines(workshop.engines.shelf, load, 4)
    workshop.engines.of("gem-1-bulk", 1)
    return made[0]


@pytest.mark.parametrize("valid", [True, False])
def test_a_worker_drops_what_was_cancelled_before_it_computes_or_stores_it_and_counts_no_failure(
    workshop: Workshop, interrupted: Interrupted, valid: bool
) -> None:
    """A batch that is computed is not stored; one that failed is not tried again in halves."""
    job_id = save_job(workshop.database, [4], per_chunk=2)

    def cancel_and_beat() -> None:
        cancel(workshop.database, job_id)
        workshop.beats.wait()

    interrupted.meanwhile, interrupted.valid = cancel_and_beat, valid
    assert workshop.drain() == 0
    assert interrupted.calls == 1
    assert workshop.storage.keys("results") == []
    assert states(workshop, job_id) == [ChunkState.CANCELLED] * 2
    job = read_job(workshop.database, job_id)
    assert (job.state, job.samples_failed) == (JobState.CANCELLED, 0)
