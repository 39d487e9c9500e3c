"""The names of what happens to a job. Events are numbered from 1 without gaps, per job."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What happened."""

    QUEUED = "query.queued"  # saved
    RUNNING = "query.running"  # its first chunk was claimed
    PROGRESS = "query.progress"  # a chunk was completed
    READY = "query.ready"  # the result is stored
    FAILED = "query.failed"  # ended without a result
    CANCELLED = "query.cancelled"  # ended at the user's wish
    EXPIRED = "query.expired"  # the result was deleted after its time
