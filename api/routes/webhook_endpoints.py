"""Webhook endpoints: the URLs that are told what happens to the queries of a workspace."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from api.dependencies import BaseUrl, Plugs, PlugsOf, Work, WorkspaceId
from api.routes.paging import cut, lead_on
from api.schemas.body import read_json
from api.schemas.cursors import place_of
from api.schemas.deliveries import DeliveryBody, Recovered
from api.schemas.endpoint_form import read_endpoint
from api.schemas.endpoints import (
    EndpointBody,
    EndpointPage,
    NewEndpointBody,
    NewSecretBody,
    endpoint_schema,
)
from api.schemas.errors import ErrorBody
from api.services import endpoints, redelivery
from shared.database.queries.endpoints import endpoints_of_workspace
from shared.errors import DestinationRefused, EndpointRejected, Fault

router = APIRouter(prefix="/api/webhook-endpoints", tags=["Webhooks"])

_BODY_BYTES = 1 << 20
_EXAMPLES: dict[str, Any] = {
    "ends": {
        "summary": "Told how each query ends",
        "value": {
            "url": "https://lab.example.org/genequeue",
            "description": "The plate browser",
            "events": ["query.ready", "query.failed", "query.cancelled"],
        },
    },
    "everything": {"summary": "Told everything", "value": {"url": "https://lab.example.org/genequeue"}},
}
_CHANGES: dict[str, Any] = {
    "enable": {"summary": "Enable it again", "value": {"enabled": True}},
    "events": {"summary": "Told less", "value": {"events": ["query.ready"]}},
}
_DISABLED = {"model": ErrorBody, "description": "The endpoint is disabled, or queries named it."}


def _written(examples: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": endpoint_schema(whole=whole), "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


async def _read(request: Request, plugs: Plugs, *, whole: bool) -> dict[str, Any]:
    """The endpoint that a request holds; its URL may be told something. Raises EndpointRejected."""
    body = await read_json(request, _BODY_BYTES)
    values = read_endpoint(body, plugs.catalog.offers, whole=whole)
    if "url" in values:
        try:
            await plugs.destinations.check(values["url"])
        except DestinationRefused as refused:
            raise EndpointRejected((Fault("url", str(refused)),)) from None
    return values


@router.post(
    "",
    summary="Register a webhook endpoint",
    status_code=HTTPStatus.CREATED,
    responses={409: {"model": ErrorBody, "description": "This workspace has as many as it may."}},
    openapi_extra=_written(_EXAMPLES, whole=True),
)
async def register(
    workspace_id: WorkspaceId,
    work: Work,
    plugs: PlugsOf,
    base_url: BaseUrl,
    request: Request,
    response: Response,
) -> NewEndpointBody:
    """The answer holds the secret, which is shown this once. A `webhook.ping` is on its way at once.

    The same URL may be registered more than once, with other filters, say; each has a secret of its own.
    """
    values = await _read(request, plugs, whole=True)
    endpoint, secret = await endpoints.register(work.session, workspace_id, values, plugs.seal)
    ping_id = (await endpoints.ping(work.session, endpoint)).id if endpoint.enabled else None
    body = NewEndpointBody.of(endpoint, base_url, secret=str(secret), ping_id=ping_id)
    response.headers.update({"Location": body.links["self"], "Cache-Control": "no-store"})
    return body


@router.get("", summary="List your webhook endpoints")
async def list_endpoints(
    workspace_id: WorkspaceId,
    work: Work,
    base_url: BaseUrl,
    request: Request,
    response: Response,
    registered: Annotated[
        bool | None, Query(description="Only those that were registered, or only those that queries named.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> EndpointPage:
    """The newest first, without secrets. The next page is also in the header `Link: <...>; rel="next"`."""
    behind = place_of(cursor) if cursor is not None else None
    statement = endpoints_of_workspace(workspace_id, registered, behind, limit + 1)
    found = (await work.session.scalars(statement)).all()
    page, next_cursor = cut(found, limit)
    lead_on(response, request, base_url, next_cursor)
    return EndpointPage(
        webhook_endpoints=[EndpointBody.of(endpoint, base_url) for endpoint in page], next_cursor=next_cursor
    )


@router.get("/{endpoint_id}", summary="One webhook endpoint")
async def show(endpoint_id: str, workspace_id: WorkspaceId, work: Work, base_url: BaseUrl) -> EndpointBody:
    """What it is told, whether it is enabled, and since when it fails. Without its secret."""
    return EndpointBody.of(await endpoints.endpoint_of(work.session, endpoint_id, workspace_id), base_url)


@router.patch(
    "/{endpoint_id}",
    summary="Change a webhook endpoint",
    openapi_extra=_written(_CHANGES, whole=False),
)
async def change(
    endpoint_id: str,
    workspace_id: WorkspaceId,
    work: Work,
    plugs: PlugsOf,
    base_url: BaseUrl,
    request: Request,
) -> EndpointBody:
    """What is not sent stays as it is; an empty list of events or models means all of them.

    `{"enabled": false}` ends what is on its way, as failed; `{"enabled": true}` forgets earlier failures, and
    `.../recover` sends what failed.
    """
    values = await _read(request, plugs, whole=False)
    endpoint = await endpoints.endpoint_of(work.session, endpoint_id, workspace_id)
    await endpoints.change(work.session, endpoint, values)
    return EndpointBody.of(endpoint, base_url)


@router.delete("/{endpoint_id}", summary="Delete a webhook endpoint", status_code=HTTPStatus.NO_CONTENT)
async def delete(endpoint_id: str, workspace_id: WorkspaceId, work: Work) -> None:
    """It is told nothing more, not even what is on its way. Its deliveries stay in the log."""
    endpoint = await endpoints.endpoint_of(work.session, endpoint_id, workspace_id)
    await endpoints.remove(work.session, endpoint)


@router.post("/{endpoint_id}/rotate-secret", summary="A new secret", responses={409: _DISABLED})
async def rotate_secret(
    endpoint_id: str, workspace_id: WorkspaceId, work: Work, plugs: PlugsOf, response: Response
) -> NewSecretBody:
    """Shown this once. For 24 hours every message is signed with the new secret and with the one before."""
    endpoint = await endpoints.endpoint_of(work.session, endpoint_id, workspace_id)
    secret = await endpoints.rotate(work.session, endpoint, plugs.seal)
    response.headers["Cache-Control"] = "no-store"
    return NewSecretBody(secret=str(secret), previous_secret_until=endpoint.previous_until)


@router.post(
    "/{endpoint_id}/ping",
    summary="Try an endpoint out",
    status_code=HTTPStatus.ACCEPTED,
    responses={409: _DISABLED},
)
async def ping(endpoint_id: str, workspace_id: WorkspaceId, work: Work, base_url: BaseUrl) -> DeliveryBody:
    """Sends a `webhook.ping`, signed as everything is. Look at the delivery to see how it went."""
    endpoint = await endpoints.endpoint_of(work.session, endpoint_id, workspace_id)
    return DeliveryBody.of(await endpoints.ping(work.session, endpoint), base_url)


@router.post(
    "/{endpoint_id}/recover",
    summary="Send again what failed",
    status_code=HTTPStatus.ACCEPTED,
    responses={409: _DISABLED},
)
async def recover(
    endpoint_id: str,
    workspace_id: WorkspaceId,
    work: Work,
    since: Annotated[
        AwareDatetime, Query(description="What failed since then.", examples=["2030-01-31T18:00:00Z"])
    ],
) -> Recovered:
    """Each under its own `webhook-id`, the oldest event first, from the start of the schedule.

    At most 1,000 at once: where there are `more`, ask again.
    """
    endpoint = await endpoints.endpoint_of(work.session, endpoint_id, workspace_id)
    count, more = await redelivery.recover(work.session, endpoint, since)
    return Recovered(recovered=count, more=more)
