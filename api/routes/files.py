"""Signed downloads of stored files, byte for byte, to whoever holds the link: parts, artifacts, reports."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import PlugsOf, Work
from api.routes.made import file_of
from api.routes.stored import StoredFile, send_stored
from api.services.parts import artifact_behind_link, part_behind_link
from api.services.status import job_behind_link, job_id_of
from shared import links
from shared.errors import StoredFileNotFound
from shared.storage.reports import report_key

router = APIRouter(prefix="/api/downloads", tags=["Downloads"])

PARQUET = "application/vnd.apache.parquet"
NDJSON = "application/x-ndjson"

Expires = Annotated[str, Query(description="As in the link.")]
Signature = Annotated[str, Query(description="As in the link.")]


@router.head("/{query_id}/parts/{position}", include_in_schema=False)
@router.get("/{query_id}/parts/{position}", summary="Download a part", response_class=Response)
async def part(
    query_id: str,
    position: int,
    work: Work,
    plugs: PlugsOf,
    request: Request,
    expires: Expires = "",
    signature: Signature = "",
) -> Response:
    """One Parquet file, or a `Range` of it; `Repr-Digest` says what the whole file is. Needs no key."""
    job_id = job_id_of(query_id)
    plugs.links.check(links.part(job_id, position), expires, signature)
    job = await job_behind_link(work.session, job_id)
    chunk = await part_behind_link(work.session, job, position)
    file = StoredFile(
        key=chunk.part_key or "",
        size=chunk.part_bytes or 0,
        media_type=PARQUET,
        file_name=f"part-{position:06d}.parquet",
        sha256=chunk.part_sha256,
    )
    return await send_stored(request, plugs.storage, file)


@router.head("/artifacts/{artifact_id}", include_in_schema=False)
@router.get("/artifacts/{artifact_id}", summary="Download a file made of a result", response_class=Response)
async def artifact(
    artifact_id: UUID,
    work: Work,
    plugs: PlugsOf,
    request: Request,
    expires: Expires = "",
    signature: Signature = "",
) -> Response:
    """The file, or a `Range` of it; `Repr-Digest` says what the whole file is. Needs no key."""
    plugs.links.check(links.artifact(artifact_id), expires, signature)
    made = await artifact_behind_link(work.session, artifact_id)
    return await send_stored(request, plugs.storage, file_of(made))


@router.head("/reports/{report_id}", include_in_schema=False)
@router.get("/reports/{report_id}", summary="Download a report of bad rows", response_class=Response)
async def report(
    report_id: UUID, plugs: PlugsOf, request: Request, expires: Expires = "", signature: Signature = ""
) -> Response:
    """All that was wrong with the rows of a large query, a JSON object a line. Needs no key."""
    plugs.links.check(links.report(report_id), expires, signature)
    key = report_key(report_id)
    try:
        size = await run_in_threadpool(plugs.storage.size, key)
    except KeyError:
        raise StoredFileNotFound("This report is not there any more. Send the query again.") from None
    return await send_stored(
        request, plugs.storage, StoredFile(key, size, NDJSON, f"report-{report_id}.ndjson")
    )
