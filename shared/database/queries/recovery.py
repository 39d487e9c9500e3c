"""Statements of upkeep: what the dead held is taken back or cut, what is too late ends, what waits is found.

What somebody else has locked is passed over: the next sweep finds it again.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from shared.database.queries.leases import QUEUED_AGAIN
from shared.database.tables import Chunk, Job
from shared.jobs.chunks import ChunkPlan
from shared.jobs.states import FINAL_JOB_STATES, ChunkState, JobState

STOPPED_ANSWERING = "The worker that computed it stopped answering."
_UNFINISHED = tuple(set(JobState) - FINAL_JOB_STATES)
_EXPIRED = (Chunk.state == ChunkState.RUNNING, Chunk.lease_expires_at < func.now())


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
        .values(error=STOPPED_ANSWERING, **QUEUED_AGAIN)
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
        .values(error=STOPPED_ANSWERING, **{**QUEUED_AGAIN, "num_samples": num_samples, "attempts": attempts})
        .returning(Chunk.id)
    )


def one_chunk_more(job_id: UUID) -> ReturningUpdate[int]:
    """A chunk becomes two; returns the number of the job's chunks, which the new one's position is below.

    Nothing comes back where the job is over.
    """
    return (
        update(Job)
        .where(Job.id == job_id, Job.state.in_(_UNFINISHED))
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


def cancel_leftovers() -> ReturningUpdate[int]:
    """Chunks that came back to the queue after their job was over."""
    over = select(Job.id).where(Job.id == Chunk.job_id, Job.state.not_in(_UNFINISHED)).exists()
    queued = Chunk.state == ChunkState.QUEUED
    left = select(Chunk.id).where(queued, over).order_by(Chunk.id).with_for_update(skip_locked=True)
    return (
        update(Chunk)
        .where(Chunk.id.in_(left), queued)
        .values(state=ChunkState.CANCELLED, finished_at=func.now())
        .returning(Chunk.id)
    )


def next_late_job() -> Select[Job]:
    """The job that is not over and should have been first of all."""
    return (
        select(Job)
        .where(Job.state.in_(_UNFINISHED), Job.deadline < func.now())
        .order_by(Job.deadline, Job.id)
        .limit(1)
    )


def waiting_models(older_than: timedelta) -> Select[str]:
    """Models with chunks that were queued that long ago and not claimed yet."""
    return (
        select(Chunk.model_id)
        .where(Chunk.state == ChunkState.QUEUED, Chunk.queued_at < func.now() - older_than)
        .distinct()
    )
