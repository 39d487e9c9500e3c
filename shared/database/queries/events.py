"""Statements about what happens to jobs: one that writes it down and has it told, those that read it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Executable,
    Integer,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    column,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from shared.database.queries.recordsets import Sending, recordset
from shared.database.tables import Event, Job, WebhookDelivery, WebhookEndpoint
from shared.jobs.events import EventKind

# Whoever sends deliveries listens here; it is told when a transaction that made some is committed.
CHANNEL = "genequeue_deliveries"
# Progress is told to an endpoint at most so often, of each job.
BETWEEN_PROGRESS = timedelta(seconds=5)
# What it takes of a job to know whom an event of it is told.
RETOLD = (Job.id, Job.workspace_id, Job.model_id, Job.webhook_endpoint_id, Job.webhook_events)


Number = ColumnElement[int]


def save_event(job_id: UUID, number: int, kind: EventKind, data: Mapping[str, Any] | None = None) -> Sending:
    """One event, and a delivery of it to every endpoint that wants it; `number` is the job's own counter's.

    All of it happens with the caller's transaction, or not at all.
    """
    row = {"id": job_id, "number": number, "data": data or {}}
    return _SAVING[kind], {"happened": [row]}


def events_of_job(job_id: UUID, after: int = 0) -> Select[Event]:
    """What happened to a job after an event number, in order."""
    return select(Event).where(Event.job_id == job_id, Event.number > after).order_by(Event.number)


def telling(
    job: CTE, kind: EventKind, data: ColumnElement[Any] | None = None, returning: Collection[str] = ()
) -> Select[Any]:
    """The event that happened to each job of a CTE, which has what is `RETOLD` and the event's `number`.

    It is written down and told; these columns of the CTE come back.
    """
    data = literal({}, JSONB) if data is None else data
    found = [job.c[name] for name in returning]
    return select(*found, told(job, job.c.number, kind)).add_cte(event(job, job.c.number, kind, data))


def event(job: CTE, number: Number, kind: EventKind, data: ColumnElement[Any]) -> CTE:
    """One event of each job in a CTE that has what is `RETOLD`."""
    row = select(job.c.id, job.c.workspace_id, number, literal(str(kind)), data)
    columns = [Event.job_id, Event.workspace_id, Event.number, Event.kind, Event.data]
    return insert(Event).from_select(columns, row).cte("event")


def told(job: CTE, number: Number, kind: EventKind) -> ScalarSelect[Any]:
    """Has the events delivered to whoever wants it, and the senders woken if there is anybody."""
    wanted = (
        select(WebhookEndpoint.workspace_id, WebhookEndpoint.id, job.c.id, number, literal(str(kind)))
        .join_from(WebhookEndpoint, job, job.c.workspace_id == WebhookEndpoint.workspace_id)
        .where(
            WebhookEndpoint.deleted_at.is_(None),
            WebhookEndpoint.enabled,
            or_(_is_registered_for(job, kind), _is_named_by_the_query(job, kind)),
        )
    )
    if kind is EventKind.PROGRESS:
        wanted = wanted.where(~_told_of_progress_lately(job))
    columns = [
        WebhookDelivery.workspace_id,
        WebhookDelivery.endpoint_id,
        WebhookDelivery.job_id,
        WebhookDelivery.event_number,
        WebhookDelivery.kind,
    ]
    made = (
        insert(WebhookDelivery).from_select(columns, wanted).returning(WebhookDelivery.id).cte("deliveries")
    )
    return select(func.pg_notify(CHANNEL, "")).select_from(made).limit(1).scalar_subquery()


def _is_registered_for(job: CTE, kind: EventKind) -> ColumnElement[bool]:
    return and_(
        WebhookEndpoint.registered,
        or_(WebhookEndpoint.events == [], WebhookEndpoint.events.contains([str(kind)])),
        or_(WebhookEndpoint.models == [], WebhookEndpoint.models.contains(func.to_jsonb(job.c.model_id))),
    )


def _is_named_by_the_query(job: CTE, kind: EventKind) -> ColumnElement[bool]:
    events = job.c.webhook_events
    wanted = or_(events == literal([], JSONB), events.contains([str(kind)]))
    return and_(WebhookEndpoint.id == job.c.webhook_endpoint_id, wanted)


def _told_of_progress_lately(job: CTE) -> ColumnElement[bool]:
    earlier = aliased(WebhookDelivery)
    return exists().where(
        earlier.job_id == job.c.id,
        earlier.endpoint_id == WebhookEndpoint.id,
        earlier.kind == str(EventKind.PROGRESS),
        earlier.created_at > func.clock_timestamp() - BETWEEN_PROGRESS,
    )


def _saving(kind: EventKind) -> Executable:
    """Built once: building it takes longer than Postgres takes to run it."""
    columns = [column("id", Job.id.type), column("number", Integer), column("data", JSONB)]
    rows = recordset(bindparam("happened", type_=JSONB), *columns)
    job = select(*RETOLD, rows.c.number, rows.c.data).join_from(rows, Job, Job.id == rows.c.id).cte("job")
    return telling(job, kind, job.c.data)


_SAVING: Mapping[EventKind, Executable] = {kind: _saving(kind) for kind in EventKind}
