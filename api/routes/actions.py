"""What an owner does to a query once it is submitted: cancel, delete, retry what failed, reproduce."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from api.dependencies import BaseUrl, PlugsOf, RespiteOf, Work, WorkspaceId
from api.routes.receiving import Submit
from api.routes.shown import job_body
from api.schemas.errors import ErrorBody
from api.schemas.jobs import Accepted, JobBody
from api.schemas.wishes import Wishes
from api.services import ending
from api.services.reproduce import original_of
from api.services.retry import failed_of
from api.services.status import job_of
from shared.database.engines import async_transaction
from shared.errors import NothingToRetry, NotReproducible

router = APIRouter(prefix="/api/model-queries/{query_id}", tags=["Model queries"])


@router.post("/cancel", summary="Cancel a query")
async def cancel(
    query_id: str, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, base_url: BaseUrl
) -> JobBody:
    """Ends a query that is queued or running, at once; one that is over stays as it is, and says how.

    What was finished is kept as long as a result would be: `GET .../result?partial=true`.
    """
    job = await job_of(work.session, query_id, workspace_id)
    await ending.cancel(work.session, job)
    return await job_body(work.session, job, plugs, base_url)


@router.delete("", summary="Delete a query's result and inputs", status_code=HTTPStatus.NO_CONTENT)
async def delete(query_id: str, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf) -> None:
    """Cancels the query where it still runs, and removes its result and what it was made of.

    The query itself is still listed, as `expired`, and its result is 410. Deleting it again changes nothing.
    """
    job = await job_of(work.session, query_id, workspace_id)
    await ending.delete(work.session, plugs.storage, job)


@router.post(
    "/retry-failed",
    summary="Try the failed inputs again",
    status_code=HTTPStatus.ACCEPTED,
    response_model_exclude_none=True,
    responses={409: {"model": ErrorBody, "description": "No input failed, or the query is not over."}},
)
async def retry_failed(
    query_id: str,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    respite: RespiteOf,
    base_url: BaseUrl,
    response: Response,
) -> Accepted:
    """A new query of the failed inputs alone, with the options and the seed of this one, its `parent_id`.

    Its inputs are numbered anew, so samples of an input differ from those it would have had here.
    """
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
        failed = await failed_of(session, job)
    offer = await plugs.models.held(job.model_id, job.model_version)
    if offer is None:
        raise NothingToRetry(
            f"Version {job.model_version} of {job.model_id} is not on this server any more. "
            "Submit the failed inputs as a new query."
        )
    received = await Submit(plugs, offer, workspace_id, Wishes(), respite).retry(failed)
    response.headers["Location"] = f"{base_url}/api/model-queries/{received.job_id}"
    return Accepted(modelQueryId=received.job_id)


@router.post(
    "/reproduce",
    summary="Run a query again and compare",
    status_code=HTTPStatus.ACCEPTED,
    response_model_exclude_none=True,
    responses={409: {"model": ErrorBody, "description": "It has no result, or its inputs are gone."}},
)
async def reproduce(
    query_id: str,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    respite: RespiteOf,
    base_url: BaseUrl,
    response: Response,
) -> Accepted:
    """A new query of the same conditions and options, under the same seed and version of the model.

    Its own state says under `reproduces` whether the answers are equal, part by part.
    """
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
        original = await original_of(session, job)
    offer = await plugs.models.held(job.model_id, job.model_version)
    if offer is None or offer.model.manifest.weights_digest != job.weights_digest:
        raise NotReproducible(
            f"Version {job.model_version} of {job.model_id} is not on this server any more, so what it "
            "answered cannot be computed again."
        )
    received = await Submit(plugs, offer, workspace_id, Wishes(), respite).reproduce(original)
    response.headers["Location"] = f"{base_url}/api/model-queries/{received.job_id}"
    return Accepted(modelQueryId=received.job_id)
