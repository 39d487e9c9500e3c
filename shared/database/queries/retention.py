"""Statements about results whose time is over."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import Artifact, Chunk, Job
from shared.jobs.states import FINAL_JOB_STATES, JobState, job_states_before

_ENDED = tuple(FINAL_JOB_STATES - {JobState.EXPIRED})


def overdue_jobs(limit: int) -> Select[UUID]:
    """Jobs that ended and whose result was kept long enough; what is locked elsewhere is passed over."""
    return (
        select(Job.id)
        .where(Job.state.in_(_ENDED), Job.expires_at < func.now())
        .order_by(Job.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def jobs_among(job_ids: Collection[UUID]) -> Select[UUID]:
    """Those of the ids that are jobs."""
    return select(Job.id).where(Job.id.in_(job_ids))


def keys_of_results(job_ids: Collection[UUID]) -> Select[str]:
    """The keys of all that these jobs' rows point at below their results."""
    parts = select(Chunk.part_key).where(Chunk.job_id.in_(job_ids), Chunk.part_key.is_not(None))
    manifests = select(Job.manifest_key).where(Job.id.in_(job_ids), Job.manifest_key.is_not(None))
    artifacts = select(Artifact.key).where(Artifact.job_id.in_(job_ids), Artifact.key.is_not(None))
    # What an artifact is still to be made with.
    genes = select(Artifact.request["genes"].astext).where(
        Artifact.job_id.in_(job_ids), Artifact.request["genes"].astext.is_not(None)
    )
    return select(parts.union_all(manifests, artifacts, genes).subquery().c[0])


def expire_job(job_id: UUID) -> ReturningUpdate[int]:
    """The job stays as a row that says so; returns the new event number."""
    return (
        update(Job)
        .where(Job.id == job_id, Job.state.in_(job_states_before(JobState.EXPIRED)))
        .values(state=JobState.EXPIRED, manifest_key=None, events=Job.events + 1)
        .returning(Job.events)
    )
