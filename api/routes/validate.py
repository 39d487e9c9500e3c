"""Checking a query without running it: its faults, or its coverage and what it will cost."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from api.dependencies import OfferOf, PlugsOf, Work, WorkspaceId
from api.schemas.body import read_body
from api.schemas.coverage import coverage_list
from api.schemas.errors import ErrorBody
from api.schemas.query import QUERY_EXAMPLES, query_schema
from api.schemas.validate import EstimateBody, ValidBody
from api.services.estimate import common_library_size, estimate
from api.services.named_webhook import check_webhook
from api.services.submit import chunk_size
from api.services.understand import understand

router = APIRouter(prefix="/api/models", tags=["Predict"])


@router.post(
    "/{model_id}/validate",
    summary="Check a query",
    responses={
        413: {"model": ErrorBody, "description": "The body is over the limit."},
        422: {"model": ErrorBody, "description": "The faults of the query, as predict reports them."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": query_schema(), "examples": QUERY_EXAMPLES}},
        }
    },
)
async def validate(offer: OfferOf, _: WorkspaceId, work: Work, plugs: PlugsOf, request: Request) -> ValidBody:
    """Takes what predict takes; runs nothing and saves nothing."""
    body = await read_body(request, plugs.settings.max_body_bytes)
    query = await run_in_threadpool(body.json)
    offer = await plugs.models.pinned(offer, query)
    understood = await run_in_threadpool(understand, query, offer.rules, plugs.ontologies)
    await check_webhook(understood.spec.webhook_url, plugs.destinations)
    per_chunk = chunk_size(understood.spec, offer.model, plugs.settings.samples_per_chunk)
    cost = await estimate(work.session, understood.spec, offer.model, per_chunk)
    return ValidBody(
        model_id=offer.public_id,
        model_version=offer.model.version,
        inputs=len(understood.spec.inputs),
        samples=understood.spec.num_samples,
        total_count=common_library_size(understood.spec),
        coverage=coverage_list(understood.coverage.to_json()),
        warnings=understood.warnings,
        estimate=EstimateBody(**asdict(cost)),
    )
