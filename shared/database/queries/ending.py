"""Statements about how a job ends: its chunks are counted down, the last one makes it ready or failed."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import Chunk, Job, JobInput
from shared.jobs.states import ChunkState, JobState, job_states_before


def count_down(job_id: UUID, done: int, failed: int = 0) -> ReturningUpdate[int, int, int, int, int]:
    """One chunk less to do for a running job, with so many samples in its part and so many in none.

    Returns the new event number, the job's samples: done, failed, of how many, and its open chunks.
    """
    return (
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.RUNNING)
        .values(
            samples_done=Job.samples_done + done,
            samples_failed=Job.samples_failed + failed,
            chunks_open=Job.chunks_open - 1,
            events=Job.events + 1,
        )
        .returning(Job.events, Job.samples_done, Job.samples_failed, Job.samples_total, Job.chunks_open)
    )


def make_ready(job_id: UUID, manifest_key: str, manifest_sha256: str) -> ReturningUpdate[int]:
    """The job's result is whole; returns the new event number."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.state.in_(job_states_before(JobState.READY)), Job.chunks_open == 0)
        .values(
            state=JobState.READY,
            manifest_key=manifest_key,
            manifest_sha256=manifest_sha256,
            finished_at=func.clock_timestamp(),
            events=Job.events + 1,
        )
        .returning(Job.events)
    )


def fail_inputs(job_id: UUID, positions: Collection[int], error: str) -> ReturningUpdate[int]:
    """Say why these inputs have no samples; the first reason stays."""
    return (
        update(JobInput)
        .where(JobInput.job_id == job_id, JobInput.position.in_(positions), JobInput.error.is_(None))
        .values(error=error)
        .returning(JobInput.position)
    )


def warn(job_id: UUID, sentence: str) -> ReturningUpdate[UUID]:
    """Tell the owner of a job something about its result."""
    return (
        update(Job)
        .where(Job.id == job_id)
        .values(warnings=Job.warnings + literal([sentence], JSONB))
        .returning(Job.id)
    )


def failed_inputs(job_id: UUID) -> Select[int, str | None]:
    """The inputs of a job that have no samples, or not all, in order, and why."""
    return (
        select(JobInput.position, JobInput.error)
        .where(JobInput.job_id == job_id, JobInput.error.is_not(None))
        .order_by(JobInput.position)
    )


def cancel_queued_chunks(job_ids: Collection[UUID]) -> ReturningUpdate[int]:
    """What was not begun of jobs that ended is not begun any more."""
    queued = (Chunk.job_id.in_(job_ids), Chunk.state == ChunkState.QUEUED)
    # In the order of their ids: nobody else who locks several chunks waits for us in a circle.
    locked = select(Chunk.id).where(*queued).order_by(Chunk.id).with_for_update()
    return (
        update(Chunk)
        .where(Chunk.id.in_(locked), *queued)
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
