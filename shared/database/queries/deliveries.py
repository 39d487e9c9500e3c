"""Statements of whoever sends deliveries: take some that are due, write down how an attempt went."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import Insert, ReturningUpdate, Update

from shared.database.tables import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from shared.webhooks.states import OPEN, DeliveryState

# One that hangs must not hold more than this of what is sent at once.
AT_ONCE_PER_ENDPOINT = 2


def due(limit: int) -> Select[UUID]:
    """Deliveries whose time has come, the longest due first; of each endpoint as many as it has room for.

    Reads a few index entries for each enabled endpoint, however many deliveries wait.
    """
    sending, candidate = aliased(WebhookDelivery), aliased(WebhookDelivery)
    under_way = (
        select(func.count())
        .where(
            sending.endpoint_id == WebhookEndpoint.id,
            sending.state == DeliveryState.SENDING,
            sending.due_at >= func.now(),
        )
        .correlate(WebhookEndpoint)
        .scalar_subquery()
    )
    first = (
        select(candidate.id, candidate.due_at, candidate.endpoint_id)
        .where(
            candidate.endpoint_id == WebhookEndpoint.id,
            candidate.state.in_(OPEN),
            candidate.due_at < func.now(),
        )
        .order_by(candidate.due_at)
        .limit(func.greatest(AT_ONCE_PER_ENDPOINT - under_way, 0))
        .lateral()
    )
    return (
        select(first.c.id)
        .select_from(WebhookEndpoint)
        .join(first, first.c.endpoint_id == WebhookEndpoint.id)
        .where(WebhookEndpoint.enabled, WebhookEndpoint.deleted_at.is_(None))
        .order_by(first.c.due_at)
        .limit(limit)
    )


def take(delivery_ids: Collection[UUID], for_so_long: timedelta) -> ReturningUpdate[WebhookDelivery]:
    """Begin an attempt of those that nobody else takes just now: it is counted before anything is sent.

    Until the time is over nobody else sends them; the number of attempts is the fencing token.
    """
    free = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.id.in_(delivery_ids),
            WebhookDelivery.state.in_(OPEN),
            WebhookDelivery.due_at < func.now(),
        )
        .with_for_update(skip_locked=True)
    )
    return (
        update(WebhookDelivery)
        .where(WebhookDelivery.id.in_(free))
        .values(
            state=DeliveryState.SENDING,
            attempts=WebhookDelivery.attempts + 1,
            due_at=func.now() + for_so_long,
        )
        .returning(WebhookDelivery)
    )


def save_attempt(values: dict[str, Any]) -> Insert:
    """How an attempt went; what was written of it before stays."""
    return upsert(WebhookAttempt).values(**values).on_conflict_do_nothing()


def finish(
    delivery_id: UUID, attempts: int, state: DeliveryState, status: int | None
) -> ReturningUpdate[UUID]:
    """End a delivery; nothing comes back where somebody else has taken it over."""
    return (
        _settle(delivery_id, attempts)
        .values(state=state, last_status=status, finished_at=func.clock_timestamp())
        .returning(WebhookDelivery.id)
    )


def try_again(delivery_id: UUID, attempts: int, wait: timedelta, status: int | None) -> ReturningUpdate[UUID]:
    """Have a delivery wait for its next attempt."""
    return (
        _settle(delivery_id, attempts)
        .values(state=DeliveryState.WAITING, last_status=status, due_at=func.clock_timestamp() + wait)
        .returning(WebhookDelivery.id)
    )


def _settle(delivery_id: UUID, attempts: int) -> Update:
    return update(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id,
        WebhookDelivery.attempts == attempts,
        WebhookDelivery.state == DeliveryState.SENDING,
    )
