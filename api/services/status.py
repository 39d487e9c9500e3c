"""What a job's owner is told about it beyond its row: above all, why it waits."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database.queries.jobs import job_by_id, job_of_workspace
from shared.database.queries.workers import live_workers
from shared.database.tables import Job
from shared.errors import JobNotFound
from shared.jobs.states import JobState

# Some heartbeats of a worker.
ALIVE_WITHIN = timedelta(seconds=10)


async def job_of(session: AsyncSession, written_id: str, workspace_id: int) -> Job:
    """A job of a workspace. Raises JobNotFound, for another workspace's job and a malformed id too."""
    statement = job_of_workspace(job_id_of(written_id), workspace_id)
    return _found((await session.scalars(statement)).one_or_none(), written_id)


async def job_behind_link(session: AsyncSession, job_id: UUID) -> Job:
    """A job to which somebody holds a valid link. Raises JobNotFound."""
    return _found((await session.scalars(job_by_id(job_id))).one_or_none(), str(job_id))


def job_id_of(written: str) -> UUID:
    """The id of a job as it was handed out. Raises JobNotFound for anything else."""
    try:
        job_id = UUID(written)
    except ValueError:
        job_id = None
    if job_id is None or str(job_id) != written.lower():
        raise JobNotFound(_not_found(written))
    return job_id


async def why_it_waits(session: AsyncSession, job: Job) -> str | None:
    """Why a job makes no progress, as far as the rows tell; None for one that runs or has ended."""
    if job.state not in {JobState.QUEUED, JobState.RUNNING}:
        return None
    workers = (await session.scalars(live_workers(ALIVE_WITHIN))).all()
    if not workers:
        return "No generation worker is alive. The query is kept and starts as soon as one is."
    if not any(job.model_version in worker.models.get(job.model_id, ()) for worker in workers):
        return (
            f"No live worker holds version {job.model_version} of {job.model_id}. The query is kept and "
            "starts as soon as one does."
        )
    if job.state == JobState.QUEUED:
        return "It waits for its turn."
    return None


def _found(job: Job | None, written: str) -> Job:
    if job is None:
        raise JobNotFound(_not_found(written))
    return job


def _not_found(written: str) -> str:
    return f"There is no model query {written!r} in this workspace."
