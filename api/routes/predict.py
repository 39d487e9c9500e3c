"""Submitting a query: answered at once with its id, or, where Arrow is asked for, with its samples."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import pyarrow as pa
import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.dependencies import BaseUrl, OfferOf, Plugs, PlugsOf, RespiteOf, WorkspaceId, report_url
from api.routes.receiving import Received, Submit
from api.routes.sending import received
from api.routes.shown import job_body
from api.schemas.accept import accepts
from api.schemas.errors import ErrorBody
from api.schemas.jobs import Accepted
from api.schemas.large_query import option_parameters, query_content
from api.schemas.wishes import read_wishes
from api.services.live import CallerGone, Following, finished_parts
from api.services.results import header_of, read_part
from api.services.status import job_behind_link
from shared.database.engines import async_transaction
from shared.database.tables import Job
from shared.errors import DatabaseUnavailable
from shared.results.arrow_form import MEDIA_TYPE, ArrowStream
from shared.results.header import ResultHeader
from shared.storage.port import Storage
from shared.storage.reports import report_of_key

log = structlog.get_logger()

router = APIRouter(prefix="/api/models", tags=["Predict"])

_KEY_HELP = "The same query sent again with the same key, for 72 hours, is not a second query."
_PREFER_HELP = "`wait=N`: answer when the query has ended, after N seconds (60 at most) in any case."
_CANCEL_HELP = "Seconds after which what is not done is not begun any more."


@router.post(
    "/{model_id}/predict",
    summary="Submit a query",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Accepted,
    response_model_exclude_none=True,
    responses={
        200: {
            "content": {MEDIA_TYPE: {}},
            "description": "The samples, or the query that ended in time.",
        },
        409: {"model": ErrorBody, "description": "The first query with this key is being saved."},
        413: {"model": ErrorBody, "description": "The body is over the limit."},
        429: {"model": ErrorBody, "description": "This workspace has too much open work."},
    },
    openapi_extra={
        "parameters": option_parameters(),
        "requestBody": {
            "required": True,
            "content": query_content(),
        },
    },
)
async def predict(
    offer: OfferOf,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    respite: RespiteOf,
    request: Request,
    response: Response,
    base_url: BaseUrl,
    idempotency_key: Annotated[str | None, Header(description=_KEY_HELP)] = None,
    prefer: Annotated[str | None, Header(description=_PREFER_HELP)] = None,
    cancel_after: Annotated[str | None, Header(description=_CANCEL_HELP)] = None,
) -> Accepted | Response:
    """Checks the query and saves it; every fault is reported at once, each with its path.

    With `Accept: application/vnd.apache.arrow.stream` the answer is the result itself, streamed part by part.
    """
    wishes = read_wishes(idempotency_key, prefer, cancel_after)
    async with received(request, plugs, workspace_id) as sent:
        taken = await Submit(plugs, offer, workspace_id, wishes, respite).receive(sent)
    location = f"{base_url}/api/model-queries/{taken.job_id}"
    headers = {"Location": location} | ({"Idempotent-Replayed": "true"} if taken.replayed else {})
    if accepts(request.headers.get("accept", ""), MEDIA_TYPE):
        following, header = await respite.ride_out(lambda _: _followed(plugs, taken.job_id))
        return LiveResult(following, header, plugs.storage, headers)
    accepted = _accepted(taken, request)
    if wishes.wait is not None:
        return AwaitedAnswer(plugs, accepted, wishes.wait, base_url, headers)
    response.headers.update(headers)
    return accepted


def _accepted(taken: Received, request: Request) -> Accepted:
    if taken.rejected is None:
        return Accepted(modelQueryId=taken.job_id)
    report = report_url(report_of_key(taken.rejected["report"]), request)
    return Accepted(modelQueryId=taken.job_id, rejected_rows=taken.rejected["rows"], report=report)


async def _followed(plugs: Plugs, job_id: UUID) -> tuple[Following, ResultHeader]:
    async with async_transaction(plugs.engine) as session:
        job = await job_behind_link(session, job_id)
    header = await header_of(job, plugs.models)
    return Following(plugs.engine, job.id, job.samples_total, plugs.settings.stream_wait), header


class LiveResult(Response):
    """An Arrow stream of a job that still runs. It begins to act once the job is committed.

    What goes wrong before the first part is an error answer; afterwards it drops the connection. A caller
    that goes away stops the waiting, not the job.
    """

    def __init__(
        self, following: Following, header: ResultHeader, storage: Storage, headers: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._following, self._header, self._storage = following, header, storage
        self._sent = {**headers, "Cache-Control": "no-store"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the first part, then stream."""
        parts = self._parts(Request(scope, receive))
        try:
            first = await anext(parts)
        except CallerGone:
            return
        pieces = self._pieces(first, parts)
        await StreamingResponse(pieces, headers=self._sent, media_type=MEDIA_TYPE)(scope, receive, send)

    async def _parts(self, request: Request) -> AsyncIterator[pa.Table]:
        async for part in finished_parts(self._following, request.is_disconnected):
            yield await run_in_threadpool(read_part, self._storage, part)

    async def _pieces(self, first: pa.Table, others: AsyncIterator[pa.Table]) -> AsyncIterator[bytes]:
        stream = ArrowStream(self._header)
        async for piece in iterate_in_threadpool(stream.part(first)):
            yield piece
        async for part in others:
            async for piece in iterate_in_threadpool(stream.part(part)):
                yield piece
        yield stream.end()


class AwaitedAnswer(Response):
    """The whole state of a job that ends while its caller waits; else that it was accepted.

    It begins to wait once the job is committed.
    """

    def __init__(
        self, plugs: Plugs, accepted: Accepted, patience: timedelta, base_url: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._plugs, self._accepted, self._patience, self._base_url = plugs, accepted, patience, base_url
        self._job_id = accepted.modelQueryId
        self._sent = {**headers, "Preference-Applied": f"wait={patience.total_seconds():.0f}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer."""
        over = await self._plugs.watch.changed(self._job_id, None, self._patience)
        answer = self._accepted.model_dump(mode="json", exclude_none=True)
        status = HTTPStatus.ACCEPTED
        if over and (state := await self._state(over)):
            answer, status = answer | state, HTTPStatus.OK
        await JSONResponse(answer, status, headers=self._sent)(scope, receive, send)

    async def _state(self, job: Job) -> dict[str, Any] | None:
        """The whole state; None while the database is away, for the query was accepted in any case."""
        try:
            async with async_transaction(self._plugs.engine) as session:
                body = await job_body(session, job, self._plugs, self._base_url)
        except DatabaseUnavailable as error:
            log.warning("predict.state_not_read", error=str(error))
            return None
        return body.model_dump(mode="json")
