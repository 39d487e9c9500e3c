"""Statements about owning a chunk: claim, renew, complete, give back, take back.

Whoever holds the current fencing token may write; every statement here is guarded by it or by the states
that the move may leave. Locks are taken chunks first, then the job, everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, case, func, select, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import LEASE_TOKENS, Chunk, Job
from shared.jobs.states import (
    FINAL_JOB_STATES,
    ChunkState,
    JobState,
    chunk_states_before,
    job_states_before,
)

_UNFINISHED = tuple(set(JobState) - FINAL_JOB_STATES)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that lies in the storage: its key, size, SHA-256, and the kind of device that computed it."""

    key: str
    bytes: int
    sha256: str
    device: str


def claimable(
    models: Mapping[str, Collection[int]], passed_over: Collection[int], limit: int
) -> Select[Chunk]:
    """Queued chunks of these versions of each id, of jobs that are not over, without those passed over.

    First chunks of all jobs come before second ones: a short job does not wait for a long one to end.
    """
    return (
        select(Chunk)
        .join(Job, Job.id == Chunk.job_id)
        .where(
            Chunk.state == ChunkState.QUEUED,
            tuple_(Chunk.model_id, Chunk.model_version).in_(
                [(model_id, version) for model_id, versions in models.items() for version in versions]
            ),
            Chunk.id.not_in(passed_over),
            Job.state.in_(_UNFINISHED),
        )
        .order_by(Chunk.position, Chunk.id)
        .limit(limit)
    )


def lock_queued(chunk_ids: Collection[int]) -> Select[int]:
    """Those of these chunks that are still queued and that no other worker is about to take; locked."""
    return (
        select(Chunk.id)
        .where(Chunk.id.in_(chunk_ids), Chunk.state == ChunkState.QUEUED)
        .with_for_update(skip_locked=True)
    )


def lease(chunk_ids: Collection[int], owner: str, duration: timedelta) -> ReturningUpdate[Chunk]:
    """Give queued chunks to an owner: a new token each, and the attempt counted before the work begins."""
    return (
        update(Chunk)
        .where(Chunk.id.in_(chunk_ids), Chunk.state.in_(chunk_states_before(ChunkState.RUNNING)))
        .values(
            state=ChunkState.RUNNING,
            owner=owner,
            token=LEASE_TOKENS.next_value(),
            attempts=Chunk.attempts + 1,
            lease_expires_at=func.now() + duration,
        )
        .returning(Chunk)
    )


def start_jobs(job_ids: Collection[UUID]) -> ReturningUpdate[UUID, int]:
    """Mark the queued ones among these jobs as running; returns their ids and new event numbers."""
    # In the order of their ids: two workers that start the same jobs do not wait for each other in a circle.
    queued = (
        select(Job.id)
        .where(Job.id.in_(job_ids), Job.state == JobState.QUEUED)
        .order_by(Job.id)
        .with_for_update()
    )
    return (
        update(Job)
        .where(Job.id.in_(queued))
        .values(state=JobState.RUNNING, started_at=func.now(), events=Job.events + 1)
        .returning(Job.id, Job.events)
    )


def renew(held: Sequence[tuple[int, int]], duration: timedelta) -> ReturningUpdate[int]:
    """Extend the leases of `(chunk id, token)` pairs; returns the ids that are still ours."""
    return (
        update(Chunk)
        .where(tuple_(Chunk.id, Chunk.token).in_(held), Chunk.state == ChunkState.RUNNING)
        .values(lease_expires_at=func.now() + duration)
        .returning(Chunk.id)
    )


def complete_chunk(chunk_id: int, token: int, part: StoredPart) -> ReturningUpdate[UUID, int]:
    """Record a stored part under its token; no row comes back when the lease is lost."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(
            state=ChunkState.DONE,
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


def count_down(job_id: UUID, num_samples: int) -> ReturningUpdate[Job]:
    """One chunk less to do for a running job."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.RUNNING)
        .values(
            samples_done=Job.samples_done + num_samples,
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
        .values(
            state=ChunkState.QUEUED,
            owner=None,
            lease_expires_at=None,
            attempts=Chunk.attempts - 1,
            queued_at=func.now(),
        )
        .returning(Chunk.id)
    )


def fail_attempt(chunk_id: int, token: int, error: str, max_attempts: int) -> ReturningUpdate[UUID, str]:
    """An attempt went wrong: back to the queue, or failed for good after the last attempt."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(error=error, **_after_attempt(max_attempts))
        .returning(Chunk.job_id, Chunk.state)
    )


def take_back_expired(max_attempts: int) -> ReturningUpdate[Chunk]:
    """Chunks whose owner stopped renewing: back to the queue, or failed for good after the last attempt."""
    return (
        update(Chunk)
        .where(Chunk.state == ChunkState.RUNNING, Chunk.lease_expires_at < func.now())
        .values(
            error=func.coalesce(Chunk.error, "The worker that computed it stopped answering."),
            **_after_attempt(max_attempts),
        )
        .returning(Chunk)
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


def waiting_models(older_than: timedelta) -> Select[str]:
    """Models with chunks that were queued that long ago and not claimed yet."""
    return (
        select(Chunk.model_id)
        .where(Chunk.state == ChunkState.QUEUED, Chunk.queued_at < func.now() - older_than)
        .distinct()
    )


def _after_attempt(max_attempts: int) -> dict[str, object]:
    worn_out = Chunk.attempts >= max_attempts
    return {
        "state": case((worn_out, ChunkState.FAILED), else_=ChunkState.QUEUED),
        "finished_at": case((worn_out, func.now()), else_=None),
        "owner": None,
        "lease_expires_at": None,
        "queued_at": func.now(),
    }
