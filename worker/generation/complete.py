"""Ending a chunk in the rows: done, failed, or given back; the last chunk ends its job.

Everything is guarded by the fencing token: a worker that lost its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared import metrics
from shared.database.engines import transaction
from shared.database.queries import jobs as job_statements
from shared.database.queries import leases
from shared.database.tables import Chunk, Job
from shared.errors import LeaseLost
from shared.jobs.events import EventKind
from shared.jobs.states import ChunkState
from shared.results.manifest import PartEntry, ResultManifest, manifest_key
from shared.storage.port import Storage
from worker.generation.work import Work


def complete(engine: Engine, storage: Storage, work: Work, part: leases.StoredPart) -> None:
    """Record a stored part; if it was the job's last, write the manifest and make the job ready.

    Raises LeaseLost if the chunk was given to somebody else meanwhile, DatabaseUnavailable,
    StorageUnavailable.
    """
    with transaction(engine) as session:
        row = session.execute(leases.complete_chunk(*work.lease, part)).one_or_none()
        if row is None:
            raise LeaseLost(f"Chunk {work.position} of job {work.job_id} belongs to another worker now.")
        job = session.scalars(leases.count_down(work.job_id, work.num_samples)).one_or_none()
        if job is None:
            return  # The job ended meanwhile; the part stays readable.
        progress = {"samples_done": job.samples_done, "samples_total": job.samples_total}
        session.execute(job_statements.save_event(job.id, job.events, EventKind.PROGRESS, progress))
        if job.chunks_open == 0:
            _make_ready(session, storage, job, work.token)


def fail_attempt(engine: Engine, work: Work, error: str, max_attempts: int) -> None:
    """An attempt went wrong: the chunk is queued again, or fails for good and its job with it."""
    with transaction(engine) as session:
        row = session.execute(leases.fail_attempt(*work.lease, error, max_attempts)).one_or_none()
        if row is not None and row.state == ChunkState.FAILED:
            fail_jobs(session, {work.job_id}, error)


def fail_jobs(session: Session, job_ids: Collection[UUID], error: str) -> None:
    """End jobs that cannot be finished: what is queued of them is cancelled first, then the jobs fail."""
    session.execute(leases.cancel_queued_chunks(job_ids))
    for job_id, number in session.execute(leases.fail_jobs(job_ids, error)):
        metrics.JOBS_FAILED.inc()
        session.execute(job_statements.save_event(job_id, number, EventKind.FAILED, {"error": error}))


def give_back(engine: Engine, works: Collection[Work]) -> None:
    """Return chunks that were claimed and not computed, for another worker to claim at once."""
    with transaction(engine) as session:
        for work in works:
            session.execute(leases.give_back(*work.lease))


def _make_ready(session: Session, storage: Storage, job: Job, token: int) -> None:
    parts = [_entry(chunk) for chunk in session.scalars(job_statements.done_chunks(job.id))]
    manifest = ResultManifest(
        job_id=str(job.id),
        model_id=job.model_id,
        model_version=job.model_version,
        weights_sha256=job.weights_digest,
        request_type=job.request_type,
        sampling_strategy=job.sampling_strategy,
        total_count=job.total_count,
        deterministic_latents=job.deterministic_latents,
        conditioning=job.conditioning,
        fixed_total_count=job.fixed_total_count,
        seed=job.seed,
        num_samples=job.samples_total,
        warnings=job.warnings,
        coverage=job.coverage,
        parts=parts,
    )
    key = manifest_key(job.id, token)
    storage.put(key, manifest.to_json())
    number = session.scalars(leases.make_ready(job.id, key)).one()
    session.execute(job_statements.save_event(job.id, number, EventKind.READY))


def _entry(chunk: Chunk) -> PartEntry:
    return PartEntry(
        key=chunk.part_key or "",
        first_sample=chunk.first_sample,
        num_samples=chunk.num_samples,
        bytes=chunk.part_bytes or 0,
        sha256=chunk.part_sha256 or "",
        device=chunk.device or "",
    )
