"""Statements that look at the whole: what waits, who works, what nobody moves. They change nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Interval,
    Select,
    SQLColumnExpression,
    String,
    exists,
    func,
    literal_column,
    or_,
    select,
    table,
    type_coerce,
)
from sqlalchemy import column as sql_column

from shared.database.tables import Chunk, Job, Role, Worker
from shared.jobs.states import ChunkState, JobState

_OPEN = (ChunkState.QUEUED, ChunkState.RUNNING)
# Two comparisons and no IN: each has an index of its own rows.
_IS_OPEN = or_(*(Chunk.state == state for state in _OPEN))
# The same as a state that is not final, and what the index of unfinished jobs is made for.
_UNFINISHED = Job.finished_at.is_(None)


def server_facts() -> Select[int, int, int, bool]:
    """Of Postgres: version as 180001, connections allowed and in use, and whether it is a read-only copy."""
    sessions = table("pg_stat_activity", sql_column("backend_type", String))
    in_use = select(func.count()).select_from(sessions).where(sessions.c.backend_type == "client backend")
    return select(
        literal_column("current_setting('server_version_num')::int"),
        literal_column("current_setting('max_connections')::int"),
        in_use.scalar_subquery(),
        func.pg_is_in_recovery(),
    )


def clock() -> Select[datetime]:
    """What time the database has."""
    return select(func.clock_timestamp())


def open_work() -> Select[str, int, str, str, int, int, timedelta]:
    """Model, version, lane, state, chunks, samples, and the age of the oldest, of what is not over."""
    return (
        select(
            Chunk.model_id,
            Chunk.model_version,
            Chunk.lane,
            Chunk.state,
            func.count(),
            func.sum(Chunk.num_samples),
            _since(func.min(Chunk.queued_at)),
        )
        .where(_IS_OPEN)
        .group_by(Chunk.model_id, Chunk.model_version, Chunk.lane, Chunk.state)
        .order_by(Chunk.model_id, Chunk.model_version, Chunk.lane, Chunk.state)
    )


def open_jobs() -> Select[str, str, int]:
    """Model, state and number of the jobs that are not over."""
    return select(Job.model_id, Job.state, func.count()).where(_UNFINISHED).group_by(Job.model_id, Job.state)


def known_workers() -> Select[str, str, dict[str, Any], timedelta]:
    """Of every generation worker that has not retired: id, device, models, how long ago it was heard of."""
    return (
        select(Worker.id, Worker.device, Worker.models, _since(Worker.seen_at))
        .where(Worker.role == Role.GENERATION)
        .order_by(Worker.started_at)
    )


def known_upkeep() -> Select[str, timedelta]:
    """Id of every upkeep worker that has not retired, and how long ago a sweep of its went through."""
    silence = _since(Worker.seen_at)
    return select(Worker.id, silence).where(Worker.role == Role.UPKEEP).order_by(silence)


def overdue_leases(by: timedelta) -> Select[int, timedelta | None]:
    """How many leases ran out that long ago and were not taken back, and how late the latest is."""
    return select(func.count(), _since(func.min(Chunk.lease_expires_at))).where(
        Chunk.state == ChunkState.RUNNING, Chunk.lease_expires_at < func.now() - by
    )


def abandoned_leases(within: timedelta) -> Select[int]:
    """How many chunks run under a lease whose owner was not heard of within that time."""
    alive = exists().where(Worker.id == Chunk.owner, Worker.seen_at > func.now() - within)
    return select(func.count()).where(
        Chunk.state == ChunkState.RUNNING, Chunk.lease_expires_at > func.now(), ~alive
    )


def unmoved_jobs(older_than: timedelta, limit: int) -> Select[UUID, str, int]:
    """Jobs that are not over and have no chunk that could still move them: id, state, number of chunks."""
    moving = exists().where(Chunk.job_id == Job.id, Chunk.state.in_(_OPEN))
    chunks = select(func.count()).where(Chunk.job_id == Job.id).scalar_subquery()
    return (
        select(Job.id, Job.state, chunks)
        .where(_UNFINISHED, Job.created_at < func.now() - older_than, ~moving)
        .order_by(Job.created_at)
        .limit(limit)
    )


def stored_results() -> Select[UUID, str | None, str | None]:
    """Job, manifest's key and one part's key, a row a part, of all that must lie in the storage."""
    parts = (Chunk.job_id == Job.id) & (Chunk.state == ChunkState.DONE)
    return (
        select(Job.id, Job.manifest_key, Chunk.part_key)
        .join(Chunk, parts)
        .where(Job.state != JobState.EXPIRED)
    )


def unfinished_among(job_ids: Collection[UUID]) -> Select[UUID]:
    """Those of the ids that are jobs and are not over."""
    return select(Job.id).where(Job.id.in_(job_ids), _UNFINISHED)


def request_ids(job_ids: Collection[UUID]) -> Select[UUID, str | None]:
    """Of jobs, the request that submitted each."""
    return select(Job.id, Job.request_id).where(Job.id.in_(job_ids))


def _since(moment: SQLColumnExpression[Any]) -> ColumnElement[timedelta]:
    return type_coerce(func.now() - moment, Interval)
