"""One statement: what happened in a workspace, in an order in which nothing ever comes late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Integer,
    Select,
    Uuid,
    cast,
    literal,
    literal_column,
    null,
    select,
    tuple_,
    union_all,
)

from shared.database.tables import Event, Notice

FeedRow = tuple[int, int, int, str, datetime, dict[str, Any], UUID | None, int | None]
# Every transaction before this one is over: what it wrote is there, or never will be.
_HORIZON = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", BigInteger)
_EVENTS, _NOTICES = 0, 1


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """A place in the order: the writing transaction, the serial in its table, and which table that is."""

    written_by: int
    serial: int
    source: int


def feed(workspace_id: int, after: FeedPlace | None, limit: int) -> CompoundSelect[*FeedRow]:
    """Events of the workspace's jobs, and notices, behind a place.

    The columns are source, written_by, serial, kind, created_at, data, job_id and number. What is written by
    a transaction that may still run, or by one after it, is left for the next time.
    """
    events = select(
        literal(_EVENTS).label("source"),
        Event.written_by,
        Event.serial,
        Event.kind,
        Event.created_at,
        Event.data,
        Event.job_id,
        Event.number,
    )
    notices = select(
        literal(_NOTICES).label("source"),
        Notice.written_by,
        Notice.serial,
        Notice.kind,
        Notice.created_at,
        Notice.data,
        cast(null(), Uuid).label("job_id"),
        cast(null(), Integer).label("number"),
    )
    first_events = _behind(events, Event, workspace_id, after, limit)
    # At one place an event comes before a notice.
    first_notices = _behind(notices, Notice, workspace_id, after, limit, with_the_place=_is_event(after))
    order = ("written_by", "serial", "source")
    both: CompoundSelect[*FeedRow] = union_all(first_events, first_notices)
    return both.order_by(*order).limit(limit)


def _is_event(place: FeedPlace | None) -> bool:
    return place is not None and place.source == _EVENTS


def _behind(
    statement: Select[Any],
    table: type[Event] | type[Notice],
    workspace_id: int,
    after: FeedPlace | None,
    limit: int,
    with_the_place: bool = False,
) -> Select[Any]:
    place = tuple_(table.written_by, table.serial)
    statement = statement.where(table.workspace_id == workspace_id, table.written_by < _HORIZON)
    if after is not None:
        reached = (after.written_by, after.serial)
        statement = statement.where(place >= reached if with_the_place else place > reached)
    ordered = statement.order_by(table.written_by, table.serial).limit(limit).subquery()
    return select(ordered)
