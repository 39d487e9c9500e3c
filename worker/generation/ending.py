"""How a job ends: with its last chunk, whoever ended that; ready if there is any sample, else failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy.orm import Session

from shared import metrics
from shared.database.queries import ending
from shared.database.queries import jobs as job_statements
from shared.database.queries.events import save_event
from shared.database.tables import Job
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


def end_chunks(session: Session, storage: Storage, ended: Sequence[Ended]) -> Collection[UUID]:
    """Count chunks down, each of another job; the last one ends its job. Returns the jobs that it did so for.

    Those that ended meanwhile stay as they are. Raises DatabaseUnavailable, StorageUnavailable.
    """
    if len({each.job_id for each in ended}) < len(ended):
        raise ValueError("of two chunks of one job, one would not be counted")
    counts = ((each.job_id, each.done, each.failed) for each in ended)
    open_chunks = {row.id: row.chunks_open for row in session.execute(*ending.count_down(counts))}
    last = {each.job_id: each for each in ended if open_chunks.get(each.job_id) == 0}
    if last:
        _end_jobs(session, storage, last)
    return open_chunks.keys()


def fail_jobs(session: Session, job_ids: Collection[UUID], error: str) -> None:
    """End jobs that cannot be finished: what is queued of them is cancelled first, then the jobs fail."""
    session.execute(ending.cancel_queued_chunks(job_ids))
    for job_id, number in session.execute(ending.fail_jobs(job_ids, error)):
        metrics.JOBS_FAILED.inc()
        session.execute(*save_event(job_id, number, EventKind.FAILED, {"error": error}))


def _end_jobs(session: Session, storage: Storage, last: Mapping[UUID, Ended]) -> None:
    """Each by the chunk that was its last."""
    statement = job_statements.jobs_by_id(last)
    jobs = session.scalars(statement, execution_options={"populate_existing": True}).all()
    for job in jobs:
        if not job.samples_done:
            fail_jobs(session, {job.id}, last[job.id].error)
    if whole := [job for job in jobs if job.samples_done]:
        _make_ready(session, storage, whole, last)


def _make_ready(session: Session, storage: Storage, jobs: Sequence[Job], last: Mapping[UUID, Ended]) -> None:
    parts: dict[UUID, list[PartEntry]] = defaultdict(list)
    for job_id, *entry in session.execute(ending.parts_of([job.id for job in jobs])):
        parts[job_id].append(PartEntry(*entry))
    results = []
    for job in jobs:
        lost = session.execute(ending.failed_inputs(job.id)).all() if job.samples_failed else ()
        manifest = _manifest(job, parts[job.id], [Failure(place, reason or "") for place, reason in lost])
        key, data = manifest_key(job.id, last[job.id].token), manifest.to_json()
        storage.put(key, data)
        results.append((job.id, key, sha256(data).hexdigest()))
    if len(session.scalars(*ending.make_ready(results)).all()) < len(results):
        raise AssertionError("a job that is locked and has no open chunk can be made ready")


def _manifest(job: Job, parts: Sequence[PartEntry], lost: Sequence[Failure]) -> ResultManifest:
    return ResultManifest(
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
        parts=parts,
        failures=_failures(job, lost),
        rejected_rows=(job.rejected or {}).get("rows", 0),
    )


def _failures(job: Job, lost: Sequence[Failure]) -> list[Failure]:
    """The inputs that gave nothing, in order: those that failed, and the first of those left out before."""
    left_out = (job.rejected or {}).get("first", [])
    found = [*lost, *(Failure(row["input_index"], row["message"]) for row in left_out)]
    return sorted(found, key=lambda failure: failure.input_index)
