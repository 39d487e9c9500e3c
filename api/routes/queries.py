"""Model queries: their status as the public clients poll it, and their full state."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from api.dependencies import BaseUrl, PlugsOf, RespiteOf, Work, WorkspaceId
from api.routes.shown import etag_of, job_body, seen_number
from api.schemas.jobs import Failed, JobBody, Ready, Waiting
from api.services.results import why_ended
from api.services.status import job_id_of, job_of
from shared import links
from shared.database.engines import async_transaction
from shared.database.tables import Job
from shared.jobs.states import JobState

router = APIRouter(prefix="/api/model-queries/{query_id}", tags=["Model queries"])


@router.get("/status", summary="Is it ready?")
async def status(
    query_id: str, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, base_url: BaseUrl
) -> Waiting | Ready | Failed:
    """What the public clients poll. Only `ready` and `failed` end the wait; the link is fresh each time."""
    job = await job_of(work.session, query_id, workspace_id)
    match JobState(job.state):
        case JobState.QUEUED | JobState.RUNNING as state:
            return Waiting(status=state.value)
        case JobState.READY:
            return Ready(downloadUrl=base_url + plugs.links.path(links.result(job.id)))
        case _:
            return Failed(message=why_ended(job))


@router.get(
    "",
    summary="Everything about a query",
    response_model=JobBody,
    responses={304: {"description": "Nothing happened since the `If-None-Match` that was sent."}},
)
async def full_state(
    query_id: str,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    respite: RespiteOf,
    base_url: BaseUrl,
    response: Response,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for something to happen.")] = 0,
    if_none_match: Annotated[str | None, Header(description="The ETag of the state that you know.")] = None,
) -> JobBody | Response:
    """Progress in samples, times, seed, warnings, the error if it has one, and why it waits if it does.

    With `wait` the answer comes as soon as something happens after the state of `If-None-Match`, or after the
    present one without it; at once for a query that is over.
    """
    seen, job_id, longest = seen_number(if_none_match), job_id_of(query_id), timedelta(seconds=wait)
    changed: Job | None = None

    async def state(_: bool) -> tuple[str, JobBody | None]:
        async with async_transaction(plugs.engine) as session:
            job = changed or await job_of(session, query_id, workspace_id)
            body = None if seen == job.events else await job_body(session, job, plugs, base_url)
        return etag_of(job), body

    if wait:
        changed = await respite.ride_out(
            lambda _: plugs.watch.for_change(job_id, workspace_id, seen, longest)
        )
    # A try of its own: where the database goes away behind a wait, nobody waits a second time.
    etag, body = await respite.ride_out(state)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if body is None:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return body
