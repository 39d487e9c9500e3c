"""Statements about deliveries whose time is over: what was kept long enough, what goes nowhere."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from shared.database.queries.deliveries import OPEN_IN_SQL
from shared.database.tables import Notice, WebhookDelivery, WebhookEndpoint
from shared.webhooks.states import DeliveryState

LOG_KEPT = timedelta(days=90)


def forget_deliveries(limit: int) -> ReturningDelete[UUID]:
    """Remove some that are over and were kept long enough, with their attempts; a row for each."""
    old = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.created_at < func.now() - LOG_KEPT,
            WebhookDelivery.finished_at.is_not(None),
        )
        .order_by(WebhookDelivery.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)).returning(WebhookDelivery.id)


def forget_notices(limit: int) -> ReturningDelete[int]:
    """Remove some notices that were kept long enough; a row for each."""
    old = select(Notice.serial).where(Notice.created_at < func.now() - LOG_KEPT).limit(limit)
    return delete(Notice).where(Notice.serial.in_(old)).returning(Notice.serial)


def end_undeliverable() -> ReturningUpdate[UUID]:
    """End what waits for an endpoint that was disabled or deleted while an event was being saved for it."""
    closed = select(WebhookEndpoint.id).where(
        or_(~WebhookEndpoint.enabled, WebhookEndpoint.deleted_at.is_not(None))
    )
    return (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.endpoint_id.in_(closed),
            WebhookDelivery.state.in_(OPEN_IN_SQL),
            WebhookDelivery.due_at < func.now(),
        )
        .values(state=DeliveryState.FAILED, finished_at=func.clock_timestamp())
        .returning(WebhookDelivery.id)
    )
