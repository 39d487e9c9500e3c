"""Signed downloads: the result JSON that the public clients read, to whoever holds the link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import PlugsOf
from api.schemas.streams import JSON, stream_result
from api.services.results import header_of, open_parts, parts_of
from api.services.status import job_behind_link, job_id_of
from shared import links
from shared.database.engines import async_transaction
from shared.results.json_form import stream_json

router = APIRouter(prefix="/api/downloads", tags=["Downloads"])


@router.get(
    "/{query_id}",
    summary="Download a result",
    response_class=Response,
    responses={
        200: {
            "content": {
                JSON: {
                    "example": {
                        "gene_order": ["ENSG00000000003", "ENSG00000000005"],
                        "model_version": 1,
                        "outputs": [
                            {
                                "counts": [904, 0],
                                "metadata": {"sex": "female", "tissue_ontology_id": "UBERON:0000945"},
                                "latents": {"biological": [0.1], "technical": [0.2], "perturbation": [0.3]},
                            }
                        ],
                    }
                }
            },
            "description": "The samples, streamed; gzip if Accept-Encoding allows it.",
        }
    },
)
async def download(
    query_id: str,
    plugs: PlugsOf,
    request: Request,
    expires: Annotated[str, Query(description="As in the link.")] = "",
    signature: Annotated[str, Query(description="As in the link.")] = "",
) -> Response:
    """Needs no key: the link itself is the permission. The status route gives a fresh one at each call."""
    job_id = job_id_of(query_id)
    plugs.links.check(links.result(job_id), expires, signature)
    async with async_transaction(plugs.engine) as session:
        job = await job_behind_link(session, job_id)
        stored = await parts_of(session, job)
    header = await header_of(job, plugs.models)
    parts = await run_in_threadpool(open_parts, plugs.storage, stored)
    return stream_result(request, stream_json(header, parts), JSON, f"{job_id}.json")
