"""Statements about owning a chunk: renew, complete, give back, take back.

Whoever holds the current fencing token may write; every statement here is guarded by it or by the states
that the move may leave. Locks are taken chunks first, then the job, everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, tuple_, update
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from shared.database.tables import Chunk, Job, JobInput
from shared.jobs.chunks import ChunkPlan
from shared.jobs.states import (
    FINAL_JOB_STATES,
    ChunkState,
    JobState,
    job_states_before,
)

STOPPED_ANSWERING = "The worker that computed it stopped answering."
_UNFINISHED = tuple(set(JobState) - FINAL_JOB_STATES)
_EXPIRED = (Chunk.state == ChunkState.RUNNING, Chunk.lease_expires_at < func.now())
_QUEUED_AGAIN: Mapping[str, Any] = {
    "state": ChunkState.QUEUED,
    "owner": None,
    "lease_expires_at": None,
    "queued_at": func.now(),
}


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that lies in the storage: its key, size, SHA-256, and the kind of device that computed it."""

    key: str
    bytes: int
    sha256: str
    device: str


def renew(held: Sequence[tuple[int, int]], duration: timedelta) -> ReturningUpdate[int]:
    """Extend the leases of `(chunk id, token)` pairs; returns the ids that are still ours."""
    return (
        update(Chunk)
        .where(tuple_(Chunk.id, Chunk.token).in_(held), Chunk.state == ChunkState.RUNNING)
        .values(lease_expires_at=func.now() + duration)
        .returning(Chunk.id)
    )


def abandon(held: Collection[tuple[int, int]]) -> ReturningUpdate[int]:
    """End leases of `(chunk id, token)` pairs as a death would: upkeep decides what becomes of the chunks."""
    return (
        update(Chunk)
        .where(tuple_(Chunk.id, Chunk.token).in_(held), Chunk.state == ChunkState.RUNNING)
        .values(lease_expires_at=func.now())
        .returning(Chunk.id)
    )


def complete_chunk(
    chunk_id: int, token: int, part: StoredPart, failed: int = 0
) -> ReturningUpdate[UUID, int]:
    """Record a stored part, without its `failed` samples; no row comes back when the lease is lost."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(
            state=ChunkState.DONE,
            samples_stored=Chunk.num_samples - failed,
            part_key=part.key,
            part_bytes=part.bytes,
            part_sha256=part.sha256,
            device=part.device,
            finished_at=func.clock_timestamp(),
            owner=None,
            lease_expires_at=None,
            error=None,
        )
        .returning(Chunk.job_id, Chunk.num_samples)
    )


def count_down(job_id: UUID, done: int, failed: int = 0) -> ReturningUpdate[Job]:
    """One chunk less to do for a running job, with so many samples in its part and so many in none."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.RUNNING)
        .values(
            samples_done=Job.samples_done + done,
            samples_failed=Job.samples_failed + failed,
            chunks_open=Job.chunks_open - 1,
            events=Job.events + 1,
        )
        .returning(Job)
    )


def make_ready(job_id: UUID, manifest_key: str) -> ReturningUpdate[int]:
    """The job's result is whole; returns the new event number."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.state.in_(job_states_before(JobState.READY)), Job.chunks_open == 0)
        .values(
            state=JobState.READY,
            manifest_key=manifest_key,
            finished_at=func.clock_timestamp(),
            events=Job.events + 1,
        )
        .returning(Job.events)
    )


def give_back(chunk_id: int, token: int) -> ReturningUpdate[int]:
    """Return a chunk that was not begun: as if it had never been claimed."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(attempts=Chunk.attempts - 1, **_QUEUED_AGAIN)
        .returning(Chunk.id)
    )


def try_again(chunk_id: int, token: int, error: str) -> ReturningUpdate[int]:
    """An attempt went wrong: back to the queue."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(error=error, **_QUEUED_AGAIN)
        .returning(Chunk.id)
    )


def fail_chunk(chunk_id: int, token: int, error: str) -> ReturningUpdate[UUID, int]:
    """None of its samples will ever be made; no row comes back when the lease is lost."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(
            state=ChunkState.FAILED,
            error=error,
            finished_at=func.clock_timestamp(),
            owner=None,
            lease_expires_at=None,
        )
        .returning(Chunk.job_id, Chunk.num_samples)
    )


def fail_inputs(job_id: UUID, positions: Collection[int], error: str) -> ReturningUpdate[int]:
    """Say why these inputs have no samples; the first reason stays."""
    return (
        update(JobInput)
        .where(JobInput.job_id == job_id, JobInput.position.in_(positions), JobInput.error.is_(None))
        .values(error=error)
        .returning(JobInput.position)
    )


def failed_inputs(job_id: UUID) -> Select[JobInput]:
    """The inputs of a job that have no samples, or not all, in order."""
    return (
        select(JobInput)
        .where(JobInput.job_id == job_id, JobInput.error.is_not(None))
        .order_by(JobInput.position)
    )


def take_back_expired(tries: int) -> ReturningUpdate[Chunk]:
    """Chunks whose owner stopped renewing, back to the queue: those that were not tried so often yet."""
    expired = (
        select(Chunk.id)
        .where(*_EXPIRED, Chunk.attempts < tries)
        .order_by(Chunk.id)
        .with_for_update(skip_locked=True)
    )
    return (
        update(Chunk)
        .where(Chunk.id.in_(expired), *_EXPIRED)
        .values(error=STOPPED_ANSWERING, **_QUEUED_AGAIN)
        .returning(Chunk)
    )


def next_expired(tries: int) -> Select[Chunk]:
    """One chunk whose owner stopped renewing and that was tried so often; locked."""
    return (
        select(Chunk)
        .where(*_EXPIRED, Chunk.attempts >= tries)
        .order_by(Chunk.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def shorten(chunk_id: int, token: int, num_samples: int, attempts: int) -> ReturningUpdate[int]:
    """Queue the first samples of a chunk only, as if it had been tried so often; the rest is another's."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(
            error=STOPPED_ANSWERING, **{**_QUEUED_AGAIN, "num_samples": num_samples, "attempts": attempts}
        )
        .returning(Chunk.id)
    )


def one_chunk_more(job_id: UUID) -> ReturningUpdate[int]:
    """A chunk became two; returns the number of the job's chunks, which the new one's position is below."""
    return (
        update(Job)
        .where(Job.id == job_id)
        .values(chunks_total=Job.chunks_total + 1, chunks_open=Job.chunks_open + 1)
        .returning(Job.chunks_total)
    )


def add_chunk(like: Chunk, plan: ChunkPlan, attempts: int) -> ReturningInsert[int]:
    """A queued chunk of the same job as another, as if it had been tried so often."""
    return (
        insert(Chunk)
        .values(
            job_id=like.job_id,
            workspace_id=like.workspace_id,
            lane=like.lane,
            model_id=like.model_id,
            model_version=like.model_version,
            attempts=attempts,
            error=STOPPED_ANSWERING,
            **asdict(plan),
        )
        .returning(Chunk.id)
    )


def cancel_queued_chunks(job_ids: Collection[UUID]) -> ReturningUpdate[int]:
    """What was not begun of jobs that ended is not begun any more."""
    return (
        update(Chunk)
        .where(Chunk.job_id.in_(job_ids), Chunk.state == ChunkState.QUEUED)
        .values(state=ChunkState.CANCELLED, finished_at=func.now())
        .returning(Chunk.id)
    )


def cancel_leftovers() -> ReturningUpdate[int]:
    """Chunks that came back to the queue after their job was over."""
    over = select(Job.id).where(Job.id == Chunk.job_id, Job.state.not_in(_UNFINISHED)).exists()
    return (
        update(Chunk)
        .where(Chunk.state == ChunkState.QUEUED, over)
        .values(state=ChunkState.CANCELLED, finished_at=func.now())
        .returning(Chunk.id)
    )


def fail_jobs(job_ids: Collection[UUID], error: str) -> ReturningUpdate[UUID, int]:
    """End jobs without a result; returns their ids and new event numbers."""
    return (
        update(Job)
        .where(Job.id.in_(job_ids), Job.state.in_(job_states_before(JobState.FAILED)))
        .values(state=JobState.FAILED, error=error, finished_at=func.now(), events=Job.events + 1)
        .returning(Job.id, Job.events)
    )


def jobs_past_deadline(limit: int) -> Select[Job]:
    """Jobs that are not over and should be, the latest first."""
    return (
        select(Job)
        .where(Job.state.in_(_UNFINISHED), Job.deadline < func.now())
        .order_by(Job.deadline)
        .limit(limit)
    )


def waiting_models(older_than: timedelta) -> Select[str]:
    """Models with chunks that were queued that long ago and not claimed yet."""
    return (
        select(Chunk.model_id)
        .where(Chunk.state == ChunkState.QUEUED, Chunk.queued_at < func.now() - older_than)
        .distinct()
    )
