"""Deletes what is kept no longer. Objects go first: the next sweep finishes one that was cut short."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import jobs as job_statements
from shared.database.queries import retention
from shared.jobs.events import EventKind
from shared.results.manifest import result_prefix
from shared.results.specimens import INPUTS, job_of_key, specimens_prefix
from shared.storage.port import Storage

log = structlog.get_logger()

_JOBS_AT_ONCE = 20
_IDS_AT_ONCE = 1_000
# A submit stores the counts of its inputs and commits a moment later, or never.
UNSAVED_AFTER = timedelta(hours=1)


def expire_results(engine: Engine, storage: Storage) -> int:
    """Delete what is overdue, some jobs at a time; returns how many.

    Raises DatabaseUnavailable and StorageUnavailable.
    """
    with transaction(engine) as session:
        overdue = session.scalars(retention.overdue_jobs(_JOBS_AT_ONCE)).all()
        for job_id in overdue:
            storage.delete_all(result_prefix(job_id))
            storage.delete_all(specimens_prefix(job_id))
            for number in session.scalars(retention.expire_job(job_id)):
                session.execute(job_statements.save_event(job_id, number, EventKind.EXPIRED))
                log.info("result.expired", job=str(job_id))
    return len(overdue)


def sweep_inputs(engine: Engine, storage: Storage, older_than: timedelta = UNSAVED_AFTER) -> int:
    """Delete the counts that came with submits which were never committed; returns of how many.

    Raises DatabaseUnavailable and StorageUnavailable.
    """
    named = map(job_of_key, storage.keys_older_than(INPUTS, older_than))
    owners = sorted({job_id for job_id in named if job_id})
    unsaved = set(owners)
    with transaction(engine) as session:
        for first in range(0, len(owners), _IDS_AT_ONCE):
            unsaved -= set(session.scalars(retention.jobs_among(owners[first : first + _IDS_AT_ONCE])))
    for job_id in unsaved:
        storage.delete_all(specimens_prefix(job_id))
    return len(unsaved)
