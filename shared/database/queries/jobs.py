"""Statements about jobs as their owners see them: one job, its inputs, its parts, what happened to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Executable, Integer, Select, bindparam, func, or_, select

from shared.database.tables import Chunk, Job, JobInput
from shared.jobs.states import FINAL_JOB_STATES, ChunkState


def job_of_workspace(job_id: UUID, workspace_id: int) -> Select[Job]:
    """A job, if it belongs to the workspace."""
    return select(Job).where(Job.id == job_id, Job.workspace_id == workspace_id)


def job_by_id(job_id: UUID) -> Select[Job]:
    """A job, whoever owns it: for signed links and workers."""
    return select(Job).where(Job.id == job_id)


def changed_jobs(known: Sequence[tuple[UUID, int | None]]) -> tuple[Select[Job], dict[str, Any]]:
    """A statement and its parameters: of jobs by id, those that are over or have other events than is known.

    That is the number of the newest one; where it is None, a job counts only once it is over.
    """
    return _CHANGED, {"ids": [job_id for job_id, _ in known], "numbers": [number for _, number in known]}


def _changed() -> Select[Job]:
    ids, numbers = bindparam("ids", type_=ARRAY(Job.id.type)), bindparam("numbers", type_=ARRAY(Integer))
    known = func.unnest(ids, numbers).table_valued("id", "number").render_derived("known")
    changed = or_(Job.state.in_(FINAL_JOB_STATES), Job.events != known.c.number)
    return select(Job).join_from(known, Job, Job.id == known.c.id).where(changed)


_CHANGED = _changed()


def jobs_by_id(job_ids: Collection[UUID]) -> Select[Job]:
    """Several of them."""
    return select(Job).where(Job.id.in_(job_ids))


def sheets_of_job(job_id: UUID) -> Select[list[dict[str, Any]]]:
    """Where the conditions of a job lie; nowhere if they are rows."""
    return select(Job.sheets).where(Job.id == job_id)


def inputs_of_job(job_id: UUID) -> Select[JobInput]:
    """The conditions of a job, in order."""
    return select(JobInput).where(JobInput.job_id == job_id).order_by(JobInput.position)


def inputs_of_chunks(chunk_ids: Collection[int]) -> Select[Any]:
    """The conditions whose samples overlap the runs of these chunks, in order, each with its `chunk_id`."""
    overlap = (JobInput.first_sample < Chunk.first_sample + Chunk.num_samples) & (
        JobInput.first_sample + JobInput.num_samples > Chunk.first_sample
    )
    return (
        select(
            Chunk.id.label("chunk_id"),
            JobInput.position,
            JobInput.first_sample,
            JobInput.num_samples,
            JobInput.conditions,
            JobInput.placements,
            JobInput.custom_id,
        )
        .join_from(Chunk, JobInput, (JobInput.job_id == Chunk.job_id) & overlap)
        .where(Chunk.id.in_(chunk_ids))
        .order_by(Chunk.id, JobInput.position)
    )


def spans_of_inputs(
    job_id: UUID, runs: Collection[tuple[int, int]], custom_ids: Collection[str]
) -> Select[int, int]:
    """First sample and number of samples of a job's inputs in runs of positions, or with one of these ids."""
    within = [JobInput.position.between(first, last) for first, last in runs]
    wanted = or_(JobInput.custom_id.in_(custom_ids), *within)
    return select(JobInput.first_sample, JobInput.num_samples).where(JobInput.job_id == job_id, wanted)


def done_chunks(job_id: UUID, from_sample: int = 0) -> Select[Chunk]:
    """The finished chunks of a job from a sample on, in the order of their samples."""
    return (
        select(Chunk)
        .where(Chunk.job_id == job_id, Chunk.state == ChunkState.DONE, Chunk.first_sample >= from_sample)
        .order_by(Chunk.first_sample)
    )


def ping() -> Executable:
    """The cheapest statement there is: does the server answer?"""
    return select(1)
