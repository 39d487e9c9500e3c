"""How a job ends: with its last chunk, whoever ended that; ready if there is any sample, else failed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy.orm import Session

from shared import metrics
from shared.database.queries import ending
from shared.database.queries import jobs as job_statements
from shared.database.queries.events import save_event
from shared.database.tables import Chunk, Job
from shared.jobs.events import EventKind
from shared.results.manifest import Failure, PartEntry, ResultManifest, manifest_key
from shared.storage.port import Storage


@dataclass(frozen=True, slots=True)
class Ended:
    """A chunk that is over: the token under which, samples stored and lost, and why some are lost."""

    job_id: UUID
    token: int
    done: int
    failed: int
    error: str


def missing(first_sample: int, num_samples: int, reason: str) -> str:
    """What a reader of the result is told about samples whose inputs cannot be read any more."""
    return f"Samples {first_sample} to {first_sample + num_samples - 1} are missing. {reason}"


def end_chunk(session: Session, storage: Storage, ended: Ended) -> bool:
    """Count a chunk down; the last one ends the job. False: the job ended meanwhile, and stays as it is.

    Raises DatabaseUnavailable, StorageUnavailable.
    """
    counted = session.execute(ending.count_down(ended.job_id, ended.done, ended.failed)).one_or_none()
    if counted is None:
        return False
    number, done, failed, total, chunks_open = counted
    progress = {"samples_done": done, "samples_total": total}
    if failed:
        progress["samples_failed"] = failed
    session.execute(*save_event(ended.job_id, number, EventKind.PROGRESS, progress))
    if not chunks_open:
        _end_job(session, storage, ended)
    return True


def fail_jobs(session: Session, job_ids: Collection[UUID], error: str) -> None:
    """End jobs that cannot be finished: what is queued of them is cancelled first, then the jobs fail."""
    session.execute(ending.cancel_queued_chunks(job_ids))
    for job_id, number in session.execute(ending.fail_jobs(job_ids, error)):
        metrics.JOBS_FAILED.inc()
        session.execute(*save_event(job_id, number, EventKind.FAILED, {"error": error}))


def _end_job(session: Session, storage: Storage, last: Ended) -> None:
    statement = job_statements.job_by_id(last.job_id)
    job = session.scalars(statement, execution_options={"populate_existing": True}).one()
    if job.samples_done:
        _make_ready(session, storage, job, last.token)
    else:
        fail_jobs(session, {job.id}, last.error)


def _make_ready(session: Session, storage: Storage, job: Job, token: int) -> None:
    lost = session.execute(ending.failed_inputs(job.id)).all() if job.samples_failed else ()
    manifest = ResultManifest(
        job_id=str(job.id),
        model_id=job.model_id,
        model_version=job.model_version,
        weights_sha256=job.weights_digest,
        vocabulary_sha256=job.model_digests.get("vocabulary"),
        genes_sha256=job.model_digests.get("genes_csv"),
        request_type=job.request_type,
        sampling_strategy=job.sampling_strategy,
        total_count=job.total_count,
        deterministic_latents=job.deterministic_latents,
        conditioning=job.conditioning,
        fixed_total_count=job.fixed_total_count,
        query_sha256=job.query_digest,
        seed=job.seed,
        num_samples=job.samples_done,
        custom_ids=job.custom_ids,
        warnings=job.warnings,
        coverage=job.coverage,
        parts=[_entry(chunk) for chunk in session.scalars(job_statements.done_chunks(job.id))],
        failures=_failures(job, [Failure(position, reason or "") for position, reason in lost]),
        rejected_rows=(job.rejected or {}).get("rows", 0),
    )
    key, data = manifest_key(job.id, token), manifest.to_json()
    storage.put(key, data)
    number = session.scalars(ending.make_ready(job.id, key, sha256(data).hexdigest())).one()
    session.execute(*save_event(job.id, number, EventKind.READY))


def _failures(job: Job, lost: list[Failure]) -> list[Failure]:
    """The inputs that gave nothing, in order: those that failed, and the first of those left out before."""
    left_out = (job.rejected or {}).get("first", [])
    found = [*lost, *(Failure(row["input_index"], row["message"]) for row in left_out)]
    return sorted(found, key=lambda failure: failure.input_index)


def _entry(chunk: Chunk) -> PartEntry:
    return PartEntry(
        key=chunk.part_key or "",
        first_sample=chunk.first_sample,
        num_samples=chunk.samples_stored or 0,
        bytes=chunk.part_bytes or 0,
        sha256=chunk.part_sha256 or "",
        device=chunk.device or "",
    )
