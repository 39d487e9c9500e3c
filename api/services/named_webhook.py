"""The URL that a query names itself: it becomes an endpoint of its workspace, in the submit's transaction."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from api.services.destinations import Destinations
from api.services.signing_secrets import workspace_secret
from api.services.submit import PreparedJob
from shared.database.queries import endpoints
from shared.database.tables import WebhookEndpoint
from shared.errors import DestinationRefused, Fault, QueryRejected
from shared.webhooks.sealing import Seal

OPTION = "webhook_url"


async def check_webhook(url: str | None, destinations: Destinations) -> None:
    """Whether a query's URL may be told anything. Raises QueryRejected."""
    if url is None:
        return
    try:
        await destinations.check(url)
    except DestinationRefused as refused:
        raise QueryRejected((Fault(OPTION, str(refused)),)) from None


async def with_webhook(session: AsyncSession, job: PreparedJob, seal: Seal) -> PreparedJob:
    """The job, pointing at the endpoint of the URL that its query names; one that names none as it is."""
    if job.webhook_url is None:
        return job
    workspace_id = job.values["workspace_id"]
    endpoint = await _endpoint(session, workspace_id, job.webhook_url, seal)
    values = {**job.values, "webhook_endpoint_id": endpoint.id}
    if not endpoint.enabled:
        values["warnings"] = [*values["warnings"], _disabled(endpoint)]
    return replace(job, values=values)


async def _endpoint(session: AsyncSession, workspace_id: int, url: str, seal: Seal) -> WebhookEndpoint:
    """The endpoint of a URL, made where no query named it before; with it, the secret that signs for it."""
    wanted = endpoints.endpoint_of_url(workspace_id, url)
    found = (await session.scalars(wanted)).one_or_none()
    if found is None:
        await workspace_secret(session, workspace_id, seal)
        await session.execute(endpoints.save_named(workspace_id, url))
        found = (await session.scalars(wanted)).one()
    elif found.deleted_at is not None:
        await session.execute(endpoints.name_again(found.id))
        await session.refresh(found)
    return found


def _disabled(endpoint: WebhookEndpoint) -> str:
    return (
        f"{OPTION}: it is told nothing, since it is disabled ({endpoint.disabled_because}). Enable it: PATCH "
        f'/api/webhook-endpoints/{endpoint.id} with {{"enabled": true}}.'
    )
