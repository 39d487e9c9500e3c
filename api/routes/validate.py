"""Checking a query without running it: its faults, or its coverage and what it will cost."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from api.dependencies import OfferOf, Plugs, PlugsOf, Work, WorkspaceId
from api.routes.receiving import meaning_of
from api.routes.sending import Sent, received
from api.schemas.coverage import coverage_list
from api.schemas.errors import ErrorBody
from api.schemas.large_query import option_parameters, query_content
from api.schemas.validate import EstimateBody, ValidBody
from api.services.estimate import common_library_size, estimate
from api.services.named_webhook import check_webhook
from api.services.submit import chunk_size
from api.services.understand import Understood
from shared.catalog import Offer

router = APIRouter(prefix="/api/models", tags=["Predict"])


@router.post(
    "/{model_id}/validate",
    summary="Check a query",
    responses={
        413: {"model": ErrorBody, "description": "The body is over the limit."},
        422: {"model": ErrorBody, "description": "The faults of the query, as predict reports them."},
    },
    openapi_extra={
        "parameters": option_parameters(),
        "requestBody": {
            "required": True,
            "content": query_content(),
        },
    },
)
async def validate(
    offer: OfferOf, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, request: Request
) -> ValidBody:
    """Takes what predict takes; runs nothing and saves nothing."""
    async with received(request, plugs, workspace_id) as sent:
        offer = await plugs.models.pinned(offer, sent.query)
        async with plugs.reading if sent.large else nullcontext():
            understood = await run_in_threadpool(_meaning, sent, offer, plugs)
    spec, extent = understood.spec, understood.extent
    await check_webhook(spec.webhook_url, plugs.destinations)
    per_chunk = chunk_size(spec, offer.model, plugs.settings.samples_per_chunk)
    cost = await estimate(work.session, spec, extent, offer.model, per_chunk)
    return ValidBody(
        model_id=offer.public_id,
        model_version=offer.model.version,
        inputs=extent.inputs,
        samples=extent.samples,
        total_count=common_library_size(spec, extent),
        coverage=coverage_list(understood.coverage.to_json()),
        warnings=understood.warnings,
        estimate=EstimateBody(**asdict(cost)),
    )


def _meaning(sent: Sent, offer: Offer, plugs: Plugs) -> Understood:
    """What was sent, checked; what was stored meanwhile is removed again."""
    meant = meaning_of(sent, offer, plugs, uuid4())
    if meant.taken_in is not None:
        meant.taken_in.writer.discard()
    return meant
