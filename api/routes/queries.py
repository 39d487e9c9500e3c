"""Model queries: their status as the public clients poll it, their full state, their result."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import BaseUrl, PlugsOf, Work, WorkspaceId
from api.schemas.accept import accepts
from api.schemas.jobs import Failed, JobBody, Ready, Waiting
from api.schemas.streams import JSON, stream_result
from api.services.results import open_parts, stored_result, why_ended
from api.services.status import job_of, why_it_waits
from shared.jobs.states import JobState
from shared.results import arrow_form, json_form

router = APIRouter(prefix="/api/model-queries/{query_id}", tags=["Model queries"])


class ResultFormat(StrEnum):
    """The forms in which a result is sent."""

    ARROW = "arrow"
    JSON = "json"


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
            return Ready(downloadUrl=base_url + plugs.links.path(job.id))
        case _:
            return Failed(message=why_ended(job))


@router.get("", summary="Everything about a query")
async def full_state(
    query_id: str, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, base_url: BaseUrl
) -> JobBody:
    """Progress in samples, times, seed, warnings, the error if it has one, and why it waits if it does."""
    job = await job_of(work.session, query_id, workspace_id)
    route = f"{base_url}/api/model-queries/{job.id}"
    links = {"self": route, "status": f"{route}/status"}
    ended_without = job.state in {JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}
    if job.state == JobState.READY:
        links |= {"result": f"{route}/result", "download": base_url + plugs.links.path(job.id)}
    waiting_for = await why_it_waits(work.session, job)
    return JobBody.of(job, waiting_for, why_ended(job) if ended_without else None, links)


@router.get(
    "/result",
    summary="Fetch the result",
    response_class=Response,
    responses={200: {"content": {arrow_form.MEDIA_TYPE: {}, JSON: {}}, "description": "The samples."}},
)
async def result(
    query_id: str,
    workspace_id: WorkspaceId,
    work: Work,
    plugs: PlugsOf,
    request: Request,
    format: Annotated[ResultFormat | None, Query(description="Wins over the Accept header.")] = None,
) -> Response:
    """The samples of a ready query, as an Arrow IPC stream or as JSON."""
    job = await job_of(work.session, query_id, workspace_id)
    stored = await stored_result(work.session, job, plugs.models)
    parts = await run_in_threadpool(open_parts, plugs.storage, stored.parts)
    if (format or _asked_for(request)) is ResultFormat.JSON:
        return stream_result(request, json_form.stream_json(stored.header, parts), JSON, f"{job.id}.json")
    pieces = arrow_form.stream_arrow(stored.header, parts)
    return stream_result(request, pieces, arrow_form.MEDIA_TYPE, f"{job.id}.arrows")


def _asked_for(request: Request) -> ResultFormat:
    """Arrow, unless the Accept header names JSON and not Arrow."""
    accept = request.headers.get("accept", "")
    json = accepts(accept, JSON) and not accepts(accept, arrow_form.MEDIA_TYPE)
    return ResultFormat.JSON if json else ResultFormat.ARROW
