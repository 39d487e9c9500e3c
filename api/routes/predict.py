"""Submitting a query: answered at once with its id, or, where Arrow is asked for, with its samples."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

import pyarrow as pa
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.dependencies import BaseUrl, OfferOf, Plugs, PlugsOf, Work, WorkspaceId
from api.schemas.accept import accepts
from api.schemas.body import read_body
from api.schemas.errors import ErrorBody
from api.schemas.jobs import Accepted
from api.schemas.query import QUERY_EXAMPLES, query_schema
from api.services.live import CallerGone, Following, finished_parts
from api.services.results import read_part
from api.services.submit import PreparedJob, SubmitPolicy, prepare_job, save_prepared, store_objects
from api.services.understand import understand
from shared.catalog import Offer
from shared.messages import WAKE_GENERATION
from shared.results.arrow_form import MEDIA_TYPE, ArrowStream
from shared.results.header import ResultHeader
from shared.storage.port import Storage

router = APIRouter(prefix="/api/models", tags=["Predict"])


@router.post(
    "/{model_id}/predict",
    summary="Submit a query",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Accepted,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "Self-hosted mode: the samples as they come."},
        413: {"model": ErrorBody, "description": "The body is over the limit."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": query_schema(), "examples": QUERY_EXAMPLES}},
        }
    },
)
async def predict(
    offer: OfferOf,
    workspace_id: WorkspaceId,
    work: Work,
    plugs: PlugsOf,
    request: Request,
    response: Response,
    base_url: BaseUrl,
) -> Accepted | Response:
    """Checks the query and saves it; every fault is reported at once, each with its path.

    With `Accept: application/vnd.apache.arrow.stream` the answer is the result itself, streamed part by part.
    """
    body = await read_body(request, plugs.settings.max_body_bytes)
    query = await run_in_threadpool(body.json)
    offer = await plugs.models.pinned(offer, query)
    job = await run_in_threadpool(_prepare, query, offer, workspace_id, plugs)
    await save_prepared(work.session, job)
    work.after_commit(WAKE_GENERATION)
    location = f"{base_url}/api/model-queries/{job.id}"
    if accepts(request.headers.get("accept", ""), MEDIA_TYPE):
        following = Following(plugs.engine, job.id, len(job.chunks), plugs.settings.stream_wait)
        model = offer.model
        header = ResultHeader(model.gene_order, offer.public_id, model.version, offer.request_type)
        return LiveResult(following, header, plugs.storage, location)
    response.headers["Location"] = location
    return Accepted(modelQueryId=job.id)


def _prepare(query: object, offer: Offer, workspace_id: int, plugs: Plugs) -> PreparedJob:
    """All of the work before the rows; a large query takes long, so it runs in a thread."""
    understood = understand(query, offer.rules, plugs.ontologies)
    policy = SubmitPolicy(plugs.settings.result_lifetime, plugs.settings.samples_per_chunk)
    job = prepare_job(understood, offer.model, workspace_id, policy)
    store_objects(plugs.storage, job)
    return job


class LiveResult(Response):
    """An Arrow stream of a job that still runs. It begins to act once the job is committed.

    What goes wrong before the first part is an error answer; afterwards it drops the connection. A caller
    that goes away stops the waiting, not the job.
    """

    def __init__(self, following: Following, header: ResultHeader, storage: Storage, location: str) -> None:
        super().__init__()
        self._following, self._header, self._storage, self._location = following, header, storage, location

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the first part, then stream."""
        parts = self._parts(Request(scope, receive))
        try:
            first = await anext(parts)
        except CallerGone:
            return
        headers = {"Location": self._location, "Cache-Control": "no-store"}
        pieces = self._pieces(first, parts)
        await StreamingResponse(pieces, headers=headers, media_type=MEDIA_TYPE)(scope, receive, send)

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
