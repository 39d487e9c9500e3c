"""Statements about how a job ends: its chunks are counted down, the last one makes it ready or failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, Text, bindparam, column, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.queries.events import RETOLD, telling
from shared.database.queries.recordsets import Sending, recordset
from shared.database.tables import Chunk, Job, JobInput
from shared.jobs.events import EventKind
from shared.jobs.states import ChunkState, JobState, job_states_before

# After its job's id, what a manifest says of a part.
_OF_PART: tuple[QueryableAttribute[Any], ...] = (
    *(Chunk.job_id, Chunk.part_key, Chunk.first_sample, Chunk.samples_stored, Chunk.part_bytes),
    *(Chunk.part_sha256, Chunk.device),
)


def count_down(ended: Iterable[tuple[UUID, int, int]]) -> Sending:
    """A chunk less to do for each of these running jobs, with so many samples in its part, so many in none.

    The progress of each is told. Their `id`s and `chunks_open` come back, not those of jobs that are over.
    """
    rows = [{"id": job_id, "done": done, "failed": failed} for job_id, done, failed in ended]
    return _COUNTING, {"ended": rows}


def make_ready(results: Iterable[tuple[UUID, str, str]]) -> Sending:
    """The results of these jobs are whole, and it is told: of each the key and SHA-256 of its manifest.

    Their ids come back. The jobs are locked by whoever counted them down.
    """
    rows = [{"id": job_id, "key": key, "sha256": sha256} for job_id, key, sha256 in results]
    return _FINISHING, {"results": rows}


def parts_of(job_ids: Collection[UUID]) -> Select[Any]:
    """Of each part of these jobs, in the order of its samples, what a manifest says, after its job's id."""
    return (
        select(*_OF_PART)
        .where(Chunk.job_id.in_(job_ids), Chunk.state == ChunkState.DONE)
        .order_by(Chunk.job_id, Chunk.first_sample)
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


def _counting() -> Select[Any]:
    """Built once: building it takes longer than Postgres takes to run it."""
    numbers = [column(name, Integer) for name in ("done", "failed")]
    ended = recordset(bindparam("ended", type_=JSONB), column("id", Job.id.type), *numbers)
    # In the order of their ids: two workers that end chunks of the same jobs do not wait in a circle.
    running = (
        select(ended)
        .join(Job, (Job.id == ended.c.id) & (Job.state == JobState.RUNNING))
        .order_by(Job.id)
        .with_for_update(of=Job, key_share=True)
        .cte("running")
    )
    job = (
        update(Job)
        .where(Job.id == running.c.id, Job.state == JobState.RUNNING)
        .values(
            samples_done=Job.samples_done + running.c.done,
            samples_failed=Job.samples_failed + running.c.failed,
            chunks_open=Job.chunks_open - 1,
            events=Job.events + 1,
        )
        .returning(
            *RETOLD,
            Job.events.label("number"),
            Job.samples_done,
            Job.samples_failed,
            Job.samples_total,
            Job.chunks_open,
        )
        .cte("job")
    )
    progress = func.jsonb_build_object(
        "samples_done",
        job.c.samples_done,
        "samples_total",
        job.c.samples_total,
        "samples_failed",
        func.nullif(job.c.samples_failed, 0),
    )
    return telling(job, EventKind.PROGRESS, func.jsonb_strip_nulls(progress), ("id", "chunks_open"))


def _finishing() -> Select[Any]:
    """Built once, as the other."""
    texts = [column(name, Text) for name in ("key", "sha256")]
    result = recordset(bindparam("results", type_=JSONB), column("id", Job.id.type), *texts)
    job = (
        update(Job)
        .where(Job.id == result.c.id, Job.state.in_(job_states_before(JobState.READY)), Job.chunks_open == 0)
        .values(
            state=JobState.READY,
            manifest_key=result.c.key,
            manifest_sha256=result.c.sha256,
            finished_at=func.clock_timestamp(),
            events=Job.events + 1,
        )
        .returning(*RETOLD, Job.events.label("number"))
        .cte("job")
    )
    return telling(job, EventKind.READY, returning=("id",))


_COUNTING, _FINISHING = _counting(), _finishing()
