"""The parts of a result, as soon as each is stored, its signed manifest, and the genes that it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import BaseUrl, Plugs, PlugsOf, Work, WorkspaceId
from api.routes.stored import repr_digest
from api.schemas.parts import PartBody, Parts, signature_header
from api.schemas.ranges import has_already
from api.schemas.streams import JSON
from api.services.parts import parts_so_far, read_manifest
from api.services.results import answered_by
from api.services.status import job_of
from shared import links
from shared.database.engines import async_transaction
from shared.database.tables import Chunk, Job
from shared.jobs.states import JobState
from shared.results.csv_form import MEDIA_TYPE as CSV

router = APIRouter(prefix="/api/model-queries/{query_id}", tags=["Model queries"])


@router.get("/parts", summary="The parts of the result so far")
async def parts(
    query_id: str, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, base_url: BaseUrl
) -> Parts:
    """Parquet files of consecutive samples, each as soon as it is stored, in the order of the samples.

    While the query runs the list grows, also in its middle: parts are done in any order. The links are fresh
    at each call. 409 for a query that failed, 410 once the result was deleted.
    """
    job = await job_of(work.session, query_id, workspace_id)
    chunks = await parts_so_far(work.session, job)
    urls = await run_in_threadpool(_addresses, plugs, base_url, job, chunks)
    ready = job.state == JobState.READY
    return Parts(
        status=JobState(job.state),
        complete=ready,
        manifest=f"{base_url}/api/model-queries/{job.id}/manifest" if ready else None,
        parts=[PartBody.of(chunk, url) for chunk, url in zip(chunks, urls, strict=True)],
    )


@router.get(
    "/manifest",
    summary="The manifest of the result",
    response_class=Response,
    responses={
        200: {
            "content": {JSON: {}},
            "description": "What was asked, by what it was answered, and the digest of each part; the very "
            "bytes that `Repr-Digest` and `GeneQueue-Signature` are of.",
        }
    },
)
async def manifest(
    query_id: str, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, request: Request
) -> Response:
    """Signed with the key of this server, which is at `/.well-known/genequeue-webhooks.json`.

    `GeneQueue-Signature: ed25519=:<base64>:;keyid="<public key>"` is missing for results of releases that
    kept no digest of the manifest: nobody can say whether it is what was stored.
    """
    job = await job_of(work.session, query_id, workspace_id)
    content = await run_in_threadpool(read_manifest, plugs.storage, job)
    headers = _as_file(f"{job.id}-manifest.json", hashlib.sha256(content).hexdigest())
    if job.manifest_sha256 is not None:
        headers["GeneQueue-Signature"] = signature_header(content, plugs.seal.signing_key)
    if has_already(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=JSON)


@router.get(
    "/genes",
    summary="The genes of the result",
    response_class=Response,
    responses={200: {"content": {CSV: {}}, "description": "`ensembl_id,symbol,biotype,length`."}},
)
async def genes(query_id: str, workspace_id: WorkspaceId, plugs: PlugsOf, request: Request) -> Response:
    """A line for each gene, in the order of the counts, of the very version that answers.

    `genes_sha256` in the manifest is the SHA-256 of these bytes.
    """
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
    model = (await answered_by(job, plugs.models)).model
    headers = _as_file(f"{job.id}-genes.csv", model.genes_csv_digest)
    if has_already(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(await run_in_threadpool(lambda: model.genes_csv), headers=headers, media_type=CSV)


def _as_file(name: str, sha256: str) -> dict[str, str]:
    return {
        "ETag": f'"{sha256}"',
        "Cache-Control": "private, no-cache, no-transform",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Repr-Digest": repr_digest(sha256),
    }


def _addresses(plugs: Plugs, base_url: str, job: Job, chunks: Sequence[Chunk]) -> list[str]:
    """Where each part is fetched without a key: at the storage, where clients reach it, else here."""
    lifetime = plugs.settings.link_lifetime
    return [
        plugs.storage.sign(chunk.part_key or "", lifetime)
        or base_url + plugs.links.path(links.part(job.id, chunk.position))
        for chunk in chunks
    ]
