"""Deletes what was sent and nobody needs any more: uploads, bodies that became no query, reports on rows.

Objects go first, and the next sweep finishes what was cut short.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import uploads
from shared.sheets.body import UPLOADS, upload_prefix
from shared.storage.port import Storage
from shared.storage.reports import REPORTS

log = structlog.get_logger()

_AT_ONCE = 20
_IDS_AT_ONCE = 1_000
# A large request is stored as it comes, and checked; nobody takes a day over that.
ABANDONED_AFTER = timedelta(hours=24)


def expire_uploads(engine: Engine, storage: Storage) -> int:
    """Delete uploads that nobody touched in time, some at once; returns how many.

    Raises DatabaseUnavailable and StorageUnavailable.
    """
    with transaction(engine) as session:
        overdue = session.scalars(uploads.overdue_uploads(_AT_ONCE)).all()
        for upload_id in overdue:
            storage.delete_all(upload_prefix(upload_id))
            session.execute(uploads.forget_upload(upload_id))
            log.info("upload.expired", upload=str(upload_id))
    return len(overdue)


def sweep_bodies(engine: Engine, storage: Storage, older_than: timedelta = ABANDONED_AFTER) -> int:
    """Delete the bodies that no row speaks of; returns how many.

    Raises DatabaseUnavailable and StorageUnavailable.
    """
    found = {upload for key in storage.keys_older_than(UPLOADS, older_than) if (upload := _upload_of(key))}
    abandoned = sorted(found)
    for first in range(0, len(abandoned), _IDS_AT_ONCE):
        some = abandoned[first : first + _IDS_AT_ONCE]
        with transaction(engine) as session:
            found -= set(session.scalars(uploads.uploads_among(some)))
    for upload_id in found:
        storage.delete_all(upload_prefix(upload_id))
    return len(found)


def sweep_reports(storage: Storage, older_than: timedelta) -> int:
    """Delete the reports whose time is over; returns how many. Raises StorageUnavailable."""
    old = storage.keys_older_than(REPORTS, older_than)
    storage.delete(old)
    return len(old)


def _upload_of(key: str) -> UUID | None:
    """The upload that a piece belongs to; None if it is none of ours."""
    try:
        return UUID(key.removeprefix(f"{UPLOADS}/").partition("/")[0])
    except ValueError:
        return None
