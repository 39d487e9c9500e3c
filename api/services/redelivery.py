"""The log of deliveries as its owner reads it, and sending again what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.services.endpoints import require_enabled, send_now
from shared.database.queries import delivery_log
from shared.database.tables import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from shared.errors import DeliveryNotFound, DeliveryUnderWay

AT_ONCE = 1_000


async def delivery_of(
    session: AsyncSession, written_id: str, workspace_id: int
) -> tuple[WebhookDelivery, WebhookEndpoint]:
    """A delivery and its endpoint. Raises DeliveryNotFound, also for what belongs to another workspace."""
    try:
        statement = delivery_log.delivery_of_workspace(UUID(written_id.removeprefix("msg_")), workspace_id)
        found = (await session.execute(statement)).one_or_none()
    except ValueError:
        found = None
    if found is None:
        raise DeliveryNotFound(f"There is no webhook delivery {written_id!r} in this workspace.")
    delivery, endpoint = found
    return delivery, endpoint


async def attempts_of(session: AsyncSession, delivery: WebhookDelivery) -> Sequence[WebhookAttempt]:
    """How each attempt went, in order."""
    return (await session.scalars(delivery_log.attempts_of(delivery.id))).all()


async def redeliver(session: AsyncSession, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    """Have a delivery sent again, whatever came of it. Raises EndpointUnfit and DeliveryUnderWay."""
    require_enabled(endpoint)
    await send_now(session, endpoint)
    if not (await session.scalars(delivery_log.send_again([delivery.id]))).all():
        raise DeliveryUnderWay(f"Delivery {delivery.id} is sent at this moment. Ask again in some seconds.")
    await session.refresh(delivery)


async def recover(session: AsyncSession, endpoint: WebhookEndpoint, since: datetime) -> tuple[int, bool]:
    """Have what failed since then sent again: how many, and whether there are more. Raises EndpointUnfit."""
    require_enabled(endpoint)
    await send_now(session, endpoint)
    found = (await session.scalars(delivery_log.failed_since(endpoint.id, since, AT_ONCE + 1))).all()
    again = (await session.scalars(delivery_log.send_again(found[:AT_ONCE]))).all()
    return len(again), len(found) > AT_ONCE
