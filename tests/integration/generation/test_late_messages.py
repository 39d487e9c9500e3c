"""Row 13: whatever comes late, again or in another order, a job that is over stays as it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.database.engines import transaction
from shared.database.queries import claims, leases
from shared.database.queries.cancelling import cancel_chunks, cancel_job
from shared.database.queries.leases import StoredPart
from shared.errors import LeaseLost
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.jobs import read_job, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.complete import abandon, complete, fail, give_back, try_again
from worker.generation.recovery import recover
from worker.generation.retention import expire_results
from worker.generation.work import Work

PART = StoredPart("results/part", 10, "0" * 64, "cpu")
LEASE = timedelta(seconds=30)


@pytest.fixture
def storage(tmp_path: Path) -> ObjectStorage:
    return open_storage(f"file://{tmp_path}/objects")


def claimed(engine: Engine) -> list[Work]:
    return claim(engine, Claimant("worker", lambda: {"gem-1-bulk": [1]}, LEASE, 64))


def cancel(engine: Engine, job_id: UUID) -> None:
    with transaction(engine) as session:
        session.execute(cancel_chunks(job_id))
        session.execute(cancel_job(job_id))


def completed(engine: Engine, storage: ObjectStorage, works: Sequence[Work]) -> None:
    for work in works:
        with suppress(LeaseLost):
            complete(engine, storage, work, PART)


def end(engine: Engine, storage: ObjectStorage, works: Sequence[Work], how: JobState) -> None:
    """Bring the job of these chunks to a final state."""
    if how == JobState.FAILED:
        for work in works:
            fail(engine, storage, work, dict.fromkeys(work.inputs, "It was negative."))
        return
    completed(engine, storage, works[:1] if how == JobState.CANCELLED else works)
    if how == JobState.CANCELLED:
        cancel(engine, works[0].job_id)
    if how == JobState.EXPIRED:
        with transaction(engine) as session:
            session.execute(text("UPDATE jobs SET expires_at = now() - interval '1 s'"))
        expire_results(engine, storage)


def late(engine: Engine, storage: ObjectStorage, works: Sequence[Work]) -> list[Callable[[], object]]:
    """Everything that a worker, upkeep or a client may still say about these chunks."""

    def renew() -> None:
        with transaction(engine) as session:
            session.execute(*leases.renew([work.lease for work in works], LEASE))

    def start() -> None:
        with transaction(engine) as session:
            session.execute(*claims.start_jobs({works[0].job_id}))

    def fail_all() -> None:
        for work in works:
            fail(engine, storage, work, {0: "late"})

    def try_all_again() -> None:
        for work in works:
            try_again(engine, work, "late")

    moves: list[Callable[[], object]] = [renew, start, fail_all, try_all_again]
    moves.append(lambda: completed(engine, storage, works))
    moves.append(lambda: give_back(engine, works))
    moves.append(lambda: abandon(engine, works))
    moves.append(lambda: recover(engine, storage, 3))
    moves.append(lambda: cancel(engine, works[0].job_id))
    moves.append(lambda: claimed(engine))
    return moves


def everything(engine: Engine) -> list[str]:
    """Every row of jobs, chunks and events."""
    with transaction(engine) as session:
        return [
            row
            for table in ("jobs", "chunks", "events")
            for row in session.scalars(text(f"SELECT row_to_json({table})::text FROM {table} ORDER BY 1"))
        ]


@pytest.mark.parametrize("how", sorted(FINAL_JOB_STATES))
def test_what_comes_late_twice_or_in_another_order_leaves_a_job_that_is_over_as_it_is(
    engine: Engine, storage: ObjectStorage, how: JobState
) -> None:
    job_id = save_job(engine, [2, 2], per_chunk=2)
    works = claimed(engine)
    assert len(works) == 2
    end(engine, storage, works, how)
    assert read_job(engine, job_id).state == how
    before, order = everything(engine), random.Random(13)
    for _ in range(6):
        moves = late(engine, storage, works) * 2
        order.shuffle(moves)
        for move in moves:
            move()
    assert everything(engine) == before
