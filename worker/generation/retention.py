"""Deletes what is kept no longer. Objects go first: the next sweep finishes one that was cut short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import artifacts, retention
from shared.database.queries.diagnosis import unfinished_among
from shared.database.queries.events import save_event
from shared.database.queries.idempotency import forget_old_keys
from shared.jobs.events import EventKind
from shared.results.manifest import RESULTS, result_prefix
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
            session.execute(artifacts.forget(job_id))
            for number in session.scalars(retention.expire_job(job_id)):
                session.execute(*save_event(job_id, number, EventKind.EXPIRED))
                log.info("result.expired", job=str(job_id))
    return len(overdue)


def sweep_inputs(engine: Engine, storage: Storage, older_than: timedelta = UNSAVED_AFTER) -> int:
    """Delete the counts that came with submits which were never committed; returns of how many.

    Raises DatabaseUnavailable and StorageUnavailable.
    """
    owners = sorted(_by_job(storage.keys_older_than(INPUTS, older_than)))
    unsaved = set(owners)
    with transaction(engine) as session:
        for some in _batched(owners):
            unsaved -= set(session.scalars(retention.jobs_among(some)))
    for job_id in unsaved:
        storage.delete_all(specimens_prefix(job_id))
    return len(unsaved)


def sweep_results(engine: Engine, storage: Storage, older_than: timedelta = UNSAVED_AFTER) -> int:
    """Delete the parts and manifests that attempts left behind which came to nothing; returns how many.

    What belongs to a job that is not over is left alone: its worker may be about to point at it. Raises
    DatabaseUnavailable and StorageUnavailable.
    """
    found = _by_job(storage.keys_older_than(RESULTS, older_than))
    orphans: list[str] = []
    with transaction(engine) as session:
        for some in _batched(sorted(found)):
            unfinished = set(session.scalars(unfinished_among(some)))
            pointed_at = set(session.scalars(retention.keys_of_results(some)))
            over = [key for job_id in some if job_id not in unfinished for key in found[job_id]]
            orphans += [key for key in over if key not in pointed_at]
    storage.delete(orphans)
    return len(orphans)


def forget_idempotency_keys(engine: Engine) -> None:
    """Remove the keys that are kept no longer. Raises DatabaseUnavailable."""
    with transaction(engine) as session:
        session.execute(forget_old_keys())


def _by_job(keys: Iterable[str]) -> dict[UUID, list[str]]:
    """Keys by the job they belong to, without those that are not ours."""
    found: dict[UUID, list[str]] = {}
    for key in keys:
        if job_id := job_of_key(key):
            found.setdefault(job_id, []).append(key)
    return found


def _batched(job_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    """As many at once as a statement should name."""
    for first in range(0, len(job_ids), _IDS_AT_ONCE):
        yield job_ids[first : first + _IDS_AT_ONCE]
