"""What upkeep does for generation: expired leases are taken back, late jobs end, sleepers are woken.

Everything recovers from rows alone; running it twice, or in two processes at once, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Engine

from shared import metrics
from shared.database.engines import transaction
from shared.database.queries import recovery, workers
from shared.database.queries.cancelling import cancel_chunks
from shared.database.queries.diagnosis import request_ids
from shared.database.tables import Chunk, Job
from shared.storage.port import Storage
from worker.generation.ending import fail_jobs
from worker.generation.splitting import Fate, settle, tries_before_split

log = structlog.get_logger()

_WAITING_TOO_LONG = timedelta(seconds=1)
_SILENT_TOO_LONG = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a sweep found: chunks taken back, and failed, jobs too late, models with chunks that wait."""

    taken_back: int
    failed_chunks: int
    late_jobs: int
    waiting_models: tuple[str, ...]


def recover(engine: Engine, storage: Storage, max_attempts: int) -> Recovered:
    """One sweep. Raises DatabaseUnavailable, and StorageUnavailable if a job's manifest cannot be stored."""
    # First what nobody can hold up: it passes over what is locked, and needs no storage.
    taken_back = _queue_again(engine, max_attempts)
    fates = list(_settle_all(engine, storage, max_attempts))
    late = sum(1 for _ in _end_late_jobs(engine))
    with transaction(engine) as session:
        session.execute(recovery.cancel_leftovers())
        session.execute(workers.forget_silent_workers(_SILENT_TOO_LONG))
        waiting = tuple(session.scalars(recovery.waiting_models(_WAITING_TOO_LONG)))
    failed = fates.count(Fate.FAILED)
    return Recovered(taken_back + len(fates) - failed, failed, late, waiting)


def _queue_again(engine: Engine, max_attempts: int) -> int:
    with transaction(engine) as session:
        statement = recovery.take_back_expired(tries_before_split(max_attempts))
        expired = session.scalars(statement, execution_options={"populate_existing": True}).all()
        requests = dict(session.execute(request_ids({chunk.job_id for chunk in expired})).all())
    for chunk in expired:
        _tell(chunk, requests[chunk.job_id], Fate.QUEUED)
    return len(expired)


def _settle_all(engine: Engine, storage: Storage, max_attempts: int) -> Iterator[Fate]:
    """Chunks that killed a worker before, each in a transaction of its own: they end jobs."""
    while True:
        with transaction(engine) as session:
            chunk = session.scalars(recovery.next_expired(tries_before_split(max_attempts))).one_or_none()
            if chunk is None:
                return
            request_id = session.execute(request_ids({chunk.job_id})).one()[1]
            session.expunge(chunk)
            fate = settle(session, storage, chunk, max_attempts)
        _tell(chunk, request_id, fate)
        yield fate


def _end_late_jobs(engine: Engine) -> Iterator[UUID]:
    """Jobs past their deadline fail; what is computed of them just now is dropped by its worker.

    Each in a transaction of its own: chunks are locked before their job, and no chunk after another's job.
    """
    while True:
        with transaction(engine) as session:
            job = session.scalars(recovery.next_late_job()).one_or_none()
            if job is None:
                return
            session.execute(cancel_chunks(job.id))
            fail_jobs(session, {job.id}, _too_late(job))
        yield job.id


def _too_late(job: Job) -> str:
    return (
        f"It was not done by its deadline, {job.deadline:%Y-%m-%d %H:%M:%S} UTC: {job.samples_done} of "
        f"{job.samples_total} samples were. Submit it again with a later deadline, or with none."
    )


def _tell(chunk: Chunk, request_id: str | None, fate: Fate) -> None:
    metrics.LEASES_TAKEN_BACK.labels(chunk.model_id, chunk.lane).inc()
    log.warning(
        "lease.taken_back",
        job=str(chunk.job_id),
        request_id=request_id,
        chunk=chunk.position,
        attempt=chunk.attempts,
        model=chunk.model_id,
        version=chunk.model_version,
        state=str(fate),
    )
