"""The log of webhook deliveries: listed, read attempt by attempt, sent again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from api.dependencies import BaseUrl, Work, WorkspaceId
from api.routes.paging import cut, lead_on
from api.schemas.cursors import place_of
from api.schemas.deliveries import DeliveryBody, DeliveryDetail, DeliveryPage, StatusClass
from api.schemas.errors import ErrorBody
from api.services.redelivery import attempts_of, delivery_of, redeliver
from shared.database.queries.delivery_log import DeliveryFilter, deliveries_of_workspace
from shared.webhooks.states import DeliveryState

router = APIRouter(prefix="/api/webhook-deliveries", tags=["Webhooks"])

_SEVERAL = "May be given several times."


@router.get("", summary="List webhook deliveries")
async def deliveries(
    workspace_id: WorkspaceId,
    work: Work,
    base_url: BaseUrl,
    request: Request,
    response: Response,
    endpoint: Annotated[UUID | None, Query(description="To this endpoint.")] = None,
    job: Annotated[UUID | None, Query(description="About this query.")] = None,
    event: Annotated[
        list[Annotated[str, Query(pattern="^[a-z._]{1,60}$")]], Query(description=_SEVERAL)
    ] = [],  # noqa: B006
    state: Annotated[list[DeliveryState], Query(description=_SEVERAL)] = [],  # noqa: B006
    status: Annotated[
        StatusClass | None, Query(description="How the last attempt was answered, if at all.")
    ] = None,
    created_after: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> DeliveryPage:
    """The newest first, kept for 90 days. The next page is also in the header `Link: <...>; rel="next"`."""
    wanted = DeliveryFilter(
        endpoint,
        job,
        tuple(event),
        tuple(state),
        status.digit if status else None,
        created_after,
        created_before,
    )
    behind = place_of(cursor) if cursor is not None else None
    statement = deliveries_of_workspace(workspace_id, wanted, behind, limit + 1)
    found = (await work.session.scalars(statement)).all()
    page, next_cursor = cut(found, limit)
    lead_on(response, request, base_url, next_cursor)
    return DeliveryPage(
        webhook_deliveries=[DeliveryBody.of(delivery, base_url) for delivery in page], next_cursor=next_cursor
    )


@router.get("/{delivery_id}", summary="One delivery with all its attempts")
async def show(delivery_id: str, workspace_id: WorkspaceId, work: Work, base_url: BaseUrl) -> DeliveryDetail:
    """Status, time, error and the beginning of the answer of each attempt, and when the next one is.

    The id is that of the list, or the `webhook-id` that the receiver got.
    """
    delivery, endpoint = await delivery_of(work.session, delivery_id, workspace_id)
    attempts = await attempts_of(work.session, delivery)
    return DeliveryDetail.told(delivery, endpoint.url, attempts, base_url)


@router.post(
    "/{delivery_id}/redeliver",
    summary="Send a delivery again",
    status_code=HTTPStatus.ACCEPTED,
    responses={409: {"model": ErrorBody, "description": "It is under way, or its endpoint is disabled."}},
)
async def send_again(
    delivery_id: str, workspace_id: WorkspaceId, work: Work, base_url: BaseUrl
) -> DeliveryBody:
    """At once, whatever came of it, under the same `webhook-id`, from the start of the schedule.

    What is sent is the state of the query at that time, with fresh links.
    """
    delivery, endpoint = await delivery_of(work.session, delivery_id, workspace_id)
    await redeliver(work.session, delivery, endpoint)
    return DeliveryBody.of(delivery, base_url)
