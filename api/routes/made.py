"""Files that are made of a result: asked for, waited for, and sent; and what became of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import BaseUrl, Plugs, PlugsOf, WorkspaceId
from api.routes.stored import StoredFile, send_stored
from api.schemas.artifacts import LONGEST_WAIT, ArtifactBody, ArtifactList, ArtifactUnderWay, patience
from api.services.artifacts import (
    Wish,
    all_artifacts,
    artifact_of,
    ask,
    require_made,
    store_genes,
    wait_for,
)
from api.services.status import job_of
from shared import links
from shared.catalog import Offer
from shared.database.engines import async_transaction
from shared.database.tables import Artifact, Job
from shared.jobs.artifacts import ArtifactState

router = APIRouter(prefix="/api/model-queries/{query_id}/artifacts", tags=["Results"])

_RETRY_AFTER_SECONDS = "2"


@dataclass(frozen=True, slots=True)
class Making:
    """A request for files of one job's result."""

    plugs: Plugs
    request: Request
    base_url: str
    job: Job
    offer: Offer

    async def answer(self, wish: Wish, prefer: str) -> Response:
        """The file, or 202 while it is made. Raises ArtifactFailed, ResultDamaged, Unavailable."""
        plugs = self.plugs
        genes = await store_genes(plugs.storage, self.job, self.offer)
        wish = replace(wish, request={**wish.request, "genes": genes})
        async with async_transaction(plugs.engine) as session:
            artifact = await ask(session, self.job, wish)
        artifact = await wait_for(plugs.engine, artifact, patience(prefer))
        if require_made(artifact):
            return await send_stored(self.request, plugs.storage, file_of(artifact))
        body = ArtifactUnderWay(artifact=await run_in_threadpool(shown, artifact, plugs, self.base_url))
        where = body.artifact.links["self"]
        headers = {"Location": where, "Retry-After": _RETRY_AFTER_SECONDS, "Cache-Control": "no-store"}
        return JSONResponse(body.model_dump(mode="json"), HTTPStatus.ACCEPTED, headers)


@router.get("", summary="The files made of a result")
async def listing(
    query_id: str, workspace_id: WorkspaceId, plugs: PlugsOf, base_url: BaseUrl
) -> ArtifactList:
    """Exports, summaries and comparisons, the oldest first. They are deleted with the result."""
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
        found = await all_artifacts(session, job.id)
    return ArtifactList(
        artifacts=await run_in_threadpool(lambda: [shown(each, plugs, base_url) for each in found])
    )


@router.get("/{artifact_id}", summary="A file that is made of a result")
async def artifact(
    query_id: str,
    artifact_id: UUID,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    base_url: BaseUrl,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT.total_seconds(), description="Seconds to wait for it.")
    ] = 0,
) -> ArtifactBody:
    """How far it is; with a link to the file once it is made."""
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
        found = await artifact_of(session, job.id, artifact_id)
    found = await wait_for(plugs.engine, found, patience(f"wait={wait:.0f}"))
    return await run_in_threadpool(shown, found, plugs, base_url)


def shown(made: Artifact, plugs: Plugs, base_url: str) -> ArtifactBody:
    """An artifact as it is shown, with a fresh link: to the storage, where clients reach it, else here."""
    to = {"self": f"{base_url}/api/model-queries/{made.job_id}/artifacts/{made.id}"}
    if made.state == ArtifactState.READY:
        direct = plugs.storage.sign(made.key or "", plugs.settings.link_lifetime)
        to["download"] = direct or base_url + plugs.links.path(links.artifact(made.id))
    return ArtifactBody.of(made, to)


def file_of(made: Artifact) -> StoredFile:
    """The file of an artifact that is ready."""
    return StoredFile(
        key=made.key or "",
        size=made.bytes or 0,
        media_type=made.media_type or "application/octet-stream",
        file_name=made.file_name or str(made.id),
        sha256=made.sha256,
    )
