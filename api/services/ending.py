"""What an owner may end: cancelling a job, and deleting what it left. The rows decide who was first."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from shared.database.queries import artifacts, cancelling
from shared.database.queries.events import save_event
from shared.database.tables import Job
from shared.jobs.events import EventKind
from shared.results.manifest import result_prefix
from shared.results.specimens import specimens_prefix
from shared.storage.port import Storage


async def cancel(session: AsyncSession, job: Job) -> None:
    """End a job that is not over; one that is stays as it is. What is finished of it is kept.

    The workers that compute parts of it lose their leases at once. Raises DatabaseUnavailable.
    """
    await session.execute(cancelling.cancel_chunks(job.id))
    for number in (await session.scalars(cancelling.cancel_job(job.id))).all():
        await session.execute(*save_event(job.id, number, EventKind.CANCELLED))
    await session.refresh(job)


async def delete(session: AsyncSession, storage: Storage, job: Job) -> None:
    """Remove a job's result and its inputs; its row stays, and says so. A second time changes nothing.

    The objects go before the commit: a deletion that is cut short can be asked for again.
    Raises DatabaseUnavailable and StorageUnavailable.
    """
    await cancel(session, job)
    for number in (await session.scalars(cancelling.bury_job(job.id))).all():
        await session.execute(*save_event(job.id, number, EventKind.EXPIRED, {"deleted": True}))
    await session.execute(cancelling.forget_inputs(job.id))
    await session.execute(artifacts.forget(job.id))
    for prefix in (result_prefix(job.id), specimens_prefix(job.id)):
        await run_in_threadpool(storage.delete_all, prefix)
    await session.refresh(job)
