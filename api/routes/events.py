"""The events of a model query as they happen, as server-sent events: numbered, and replayed on request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from starlette.responses import StreamingResponse

from api.dependencies import Plugs, PlugsOf, Work, WorkspaceId
from api.schemas.accept import accepts
from api.schemas.events import COMMENT, MEDIA_TYPE, EventBody, EventList, event_text
from api.schemas.streams import JSON
from api.services.status import job_of
from shared.database.engines import async_transaction
from shared.database.queries.events import events_of_job
from shared.database.queries.jobs import job_by_id
from shared.database.tables import Event
from shared.errors import DatabaseUnavailable
from shared.jobs.states import FINAL_JOB_STATES

log = structlog.get_logger()

router = APIRouter(prefix="/api/model-queries/{query_id}", tags=["Model queries"])


@router.get(
    "/events",
    summary="Follow a query as it happens",
    response_model=EventList,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "One event for each thing that happens."},
        204: {"description": "The query is over, and `Last-Event-ID` was its last event."},
    },
)
async def events(
    query_id: str,
    workspace_id: WorkspaceId,
    work: Work,
    plugs: PlugsOf,
    request: Request,
    last_event_id: Annotated[int, Header(ge=0, description="The last event that you have.")] = 0,
) -> EventList | Response:
    """Every event after `Last-Event-ID`, then each new one; ends after the one that ends the query.

    An event's `id` is its number, from 1 without gaps. A browser's EventSource carries on by itself, also
    where the stream ends early because the server is restarted. With `Accept: application/json` the answer is
    the list of what happened so far, and does not wait.
    """
    job = await job_of(work.session, query_id, workspace_id)
    if accepts(request.headers.get("accept", ""), JSON):
        found = await work.session.scalars(events_of_job(job.id, last_event_id))
        return EventList(events=[EventBody.of(event) for event in found])
    if job.state in FINAL_JOB_STATES and last_event_id >= job.events:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_texts(plugs, job.id, last_event_id), headers=headers, media_type=MEDIA_TYPE)


async def _texts(plugs: Plugs, job_id: UUID, seen: int) -> AsyncIterator[str]:
    """What is sent. Each look at the events is a transaction of its own: waiting holds no connection."""
    yield COMMENT
    while True:
        over, events = await _look(plugs, job_id, seen)
        for event in events:
            seen = event.number
            yield event_text(event)
        if over or plugs.watch.closed:
            return
        if not await plugs.watch.changed(job_id, seen, plugs.settings.event_silence):
            yield COMMENT


async def _look(plugs: Plugs, job_id: UUID, seen: int) -> tuple[bool, Sequence[Event]]:
    """Whether the job is over, and its events behind a number; none while the database is away."""
    try:
        async with async_transaction(plugs.engine) as session:
            # The state first: a job that is over then has all its events when they are read.
            state = (await session.scalars(job_by_id(job_id))).one().state
            return state in FINAL_JOB_STATES, (await session.scalars(events_of_job(job_id, seen))).all()
    except DatabaseUnavailable as error:
        log.warning("events.missed", error=str(error))
        return False, ()
