"""Statements by which an owner ends a job or removes what it left. Chunks are locked first, as everywhere."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Delete, delete, func, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import Chunk, Job, JobInput
from shared.jobs.states import ChunkState, JobState, chunk_states_before, job_states_before


def cancel_chunks(job_id: UUID) -> ReturningUpdate[int]:
    """End what is not done of a job that is not over; whoever computes it finds its lease gone."""
    open_job = select(Job.id).where(Job.id == job_id, Job.state.in_(job_states_before(JobState.CANCELLED)))
    # In the order of their ids: nobody else who locks several chunks waits for us in a circle.
    unfinished = (
        select(Chunk.id)
        .where(
            Chunk.job_id == job_id,
            Chunk.state.in_(chunk_states_before(ChunkState.CANCELLED)),
            open_job.exists(),
        )
        .order_by(Chunk.id)
        .with_for_update()
    )
    return (
        update(Chunk)
        .where(Chunk.id.in_(unfinished), Chunk.state.in_(chunk_states_before(ChunkState.CANCELLED)))
        .values(
            state=ChunkState.CANCELLED,
            owner=None,
            lease_expires_at=None,
            finished_at=func.clock_timestamp(),
        )
        .returning(Chunk.id)
    )


def cancel_job(job_id: UUID) -> ReturningUpdate[int]:
    """End a job that is not over; returns the new event number, or nothing for one that is."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.state.in_(job_states_before(JobState.CANCELLED)))
        .values(state=JobState.CANCELLED, finished_at=func.clock_timestamp(), events=Job.events + 1)
        .returning(Job.events)
    )


def bury_job(job_id: UUID) -> ReturningUpdate[int]:
    """A job whose owner wants it gone stays as a row that says so; returns the new event number."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.state.in_(job_states_before(JobState.EXPIRED)))
        .values(
            state=JobState.EXPIRED,
            manifest_key=None,
            deleted_at=func.clock_timestamp(),
            events=Job.events + 1,
        )
        .returning(Job.events)
    )


def forget_inputs(job_id: UUID) -> Delete:
    """Remove the conditions that a job's query described."""
    return delete(JobInput).where(JobInput.job_id == job_id)
