"""Statements about where a job stands: who is ahead of it, what of it failed, what a workspace has open."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from shared.database.tables import Job, JobInput
from shared.jobs.lanes import Lane
from shared.jobs.states import FINAL_JOB_STATES, JobState

_UNFINISHED = tuple(set(JobState) - FINAL_JOB_STATES)
_OPEN_SAMPLES: ColumnElement[int] = Job.samples_total - Job.samples_done - Job.samples_failed


def ahead_of(job: Job) -> Select[int, int]:
    """Jobs of all workspaces that came before and are at least as urgent, and their open samples."""
    lanes = [Lane.INTERACTIVE] if job.lane == Lane.INTERACTIVE else list(Lane)
    return select(func.count(), func.coalesce(func.sum(_OPEN_SAMPLES), 0)).where(
        Job.state.in_(_UNFINISHED), Job.lane.in_(lanes), Job.created_at < job.created_at, Job.id != job.id
    )


def open_samples() -> Select[int, int]:
    """By workspace, the samples that are promised and not there yet."""
    return (
        select(Job.workspace_id, func.sum(_OPEN_SAMPLES))
        .where(Job.state.in_(_UNFINISHED))
        .group_by(Job.workspace_id)
    )


def failed_inputs(job_id: UUID, limit: int) -> Select[int, str | None]:
    """Positions of the inputs that have no samples, in order, and why."""
    return (
        select(JobInput.position, JobInput.error)
        .where(JobInput.job_id == job_id, JobInput.error.is_not(None))
        .order_by(JobInput.position)
        .limit(limit)
    )
