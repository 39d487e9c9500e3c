"""Deletes results whose time is over. Objects go first: the next sweep finishes one that was cut short."""

from __future__ import annotations

from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import jobs as job_statements
from shared.database.queries import retention
from shared.jobs.events import EventKind
from shared.results.manifest import result_prefix
from shared.storage.port import Storage

_JOBS_AT_ONCE = 20


def expire_results(engine: Engine, storage: Storage) -> int:
    """Delete what is overdue, some jobs at a time; returns how many.

    Raises DatabaseUnavailable and StorageUnavailable.
    """
    with transaction(engine) as session:
        overdue = session.scalars(retention.overdue_jobs(_JOBS_AT_ONCE)).all()
        for job_id in overdue:
            storage.delete_all(result_prefix(job_id))
            for number in session.scalars(retention.expire_job(job_id)):
                session.execute(job_statements.save_event(job_id, number, EventKind.EXPIRED))
    return len(overdue)
