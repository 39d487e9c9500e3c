"""Webhook endpoints as their owners handle them: registered, changed, tried out, given a new secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.services.signing_secrets import still_readable
from shared.database.queries import deliveries, delivery_log, endpoints
from shared.database.tables import WebhookDelivery, WebhookEndpoint
from shared.errors import EndpointNotFound, EndpointRejected, EndpointsFull, EndpointUnfit, Fault
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from shared.webhooks.states import Disabled

MOST_ENDPOINTS = 50
# What a query says itself, where it names the URL.
_OF_QUERIES = ("url", "events", "models")


async def endpoint_of(session: AsyncSession, written_id: str, workspace_id: int) -> WebhookEndpoint:
    """An endpoint of a workspace. Raises EndpointNotFound, for another workspace's and a malformed id too."""
    try:
        statement = endpoints.endpoint_of_workspace(UUID(written_id), workspace_id)
        found = (await session.scalars(statement)).one_or_none()
    except ValueError:
        found = None
    if found is None:
        raise EndpointNotFound(f"There is no webhook endpoint {written_id!r} in this workspace.")
    return found


async def register(
    session: AsyncSession, workspace_id: int, values: Mapping[str, Any], seal: Seal
) -> tuple[WebhookEndpoint, Secret]:
    """A new endpoint and its secret, which nobody can read again. Raises EndpointsFull."""
    await session.execute(endpoints.hold_endpoints(workspace_id))
    if (await session.scalars(endpoints.count_registered(workspace_id))).one() >= MOST_ENDPOINTS:
        raise EndpointsFull(
            f"This workspace has {MOST_ENDPOINTS} webhook endpoints, as many as it may. Delete one that is "
            "not used any more, or have one of them told more: without filters it is told everything."
        )
    secret = Secret.new()
    row = {**_settled(values), "workspace_id": workspace_id, "secret": seal.close(secret)}
    return (await session.scalars(endpoints.save_endpoint(row))).one(), secret


async def change(session: AsyncSession, endpoint: WebhookEndpoint, values: Mapping[str, Any]) -> None:
    """Give an endpoint new values; enabling it forgets why it was disabled.

    What is on its way to one that is disabled fails, and can be recovered. Raises EndpointRejected.
    """
    if not endpoint.registered and (refused := [name for name in _OF_QUERIES if name in values]):
        raise EndpointRejected(tuple(Fault(name, _SAID_BY_QUERIES) for name in refused))
    if not values:
        return
    await session.execute(endpoints.change_endpoint(endpoint.id, _settled(values)))
    if values.get("enabled") is False:
        await session.execute(deliveries.fail_what_waits(endpoint.id))
    await session.refresh(endpoint)


async def remove(session: AsyncSession, endpoint: WebhookEndpoint) -> None:
    """Tell an endpoint nothing more, not even what is on its way."""
    await session.execute(endpoints.remove_endpoint(endpoint.id))
    await session.execute(deliveries.fail_what_waits(endpoint.id))


async def rotate(session: AsyncSession, endpoint: WebhookEndpoint, seal: Seal) -> Secret:
    """A new secret, readable only here; the one before signs, too, for a day. Raises EndpointUnfit."""
    if not endpoint.registered:
        raise EndpointUnfit(
            "Queries named this URL: its messages are signed with the secret of the workspace. Rotate that "
            "one with POST /api/webhook-secret/rotate."
        )
    secret = Secret.new()
    previous = still_readable(endpoint.secret, seal)
    await session.execute(endpoints.rotate_endpoint(endpoint.id, seal.close(secret), previous))
    await session.refresh(endpoint)
    return secret


async def ping(session: AsyncSession, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Have a `webhook.ping` sent at once. Raises EndpointUnfit."""
    require_enabled(endpoint)
    await send_now(session, endpoint)
    statement = delivery_log.save_ping(endpoint.workspace_id, endpoint.id)
    return (await session.scalars(statement)).one()


async def send_now(session: AsyncSession, endpoint: WebhookEndpoint) -> None:
    """Have what is due at the end of this transaction sent at once, whatever rest the endpoint asked for.

    Before deliveries are changed: whoever locks both locks the endpoint first.
    """
    await session.execute(endpoints.end_rest(endpoint.id))
    await session.execute(delivery_log.wake_senders())


def require_enabled(endpoint: WebhookEndpoint) -> None:
    """Raises EndpointUnfit for an endpoint that nothing is sent to."""
    if endpoint.deleted_at is not None:
        raise EndpointUnfit(f"The webhook endpoint {endpoint.id} was deleted; nothing is sent to it.")
    if not endpoint.enabled:
        raise EndpointUnfit(
            f"The webhook endpoint {endpoint.id} is disabled ({endpoint.disabled_because}). Enable it first: "
            'PATCH it with {"enabled": true}.'
        )


_SAID_BY_QUERIES = (
    "Queries named this URL, and say themselves what it is told. Register it as an endpoint of its own, or "
    "leave this out."
)


def _settled(values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns, with those that follow from whether it is enabled."""
    match values.get("enabled"):
        case None:
            return dict(values)
        case True:
            return {**values, "disabled_because": None, "failing_since": None, "resting_until": None}
        case _:
            return {**values, "disabled_because": Disabled.OWNER}
