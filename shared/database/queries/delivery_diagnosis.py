"""Statements that look at all deliveries: what waits, what nobody sends, which endpoints were given up."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Interval, Select, and_, func, select, type_coerce

from shared.database.queries.deliveries import OPEN_IN_SQL
from shared.database.tables import WebhookDelivery, WebhookEndpoint
from shared.webhooks.states import DeliveryState, Disabled

_GIVEN_UP = (Disabled.GONE, Disabled.FAILING)
_IS_SENT = and_(WebhookDelivery.state == DeliveryState.SENDING, WebhookDelivery.due_at >= func.now())


def open_deliveries(overdue_by: timedelta) -> Select[int, int, timedelta | None]:
    """How many wait or are sent; endpoints whose next is overdue while none is sent; by how long it is.

    What waits behind others that are being sent to a slow endpoint is not overdue.
    """
    of_each = (
        select(
            func.count().label("open"),
            func.min(func.greatest(WebhookDelivery.due_at, WebhookEndpoint.resting_until)).label("next"),
            func.bool_or(_IS_SENT).label("busy"),
        )
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(
            WebhookDelivery.state.in_(OPEN_IN_SQL),
            WebhookEndpoint.enabled,
            WebhookEndpoint.deleted_at.is_(None),
        )
        .group_by(WebhookDelivery.endpoint_id)
        .subquery()
    )
    overdue = and_(of_each.c.next < func.now() - overdue_by, ~of_each.c.busy)
    late = func.now() - func.min(of_each.c.next).filter(overdue)
    return select(
        func.coalesce(func.sum(of_each.c.open), 0),
        func.count().filter(overdue),
        type_coerce(late, Interval),
    )


def given_up(limit: int) -> Select[UUID, str, str | None]:
    """Endpoints that were disabled for what they answered: id, URL, why; the newest, so many of them."""
    return (
        select(WebhookEndpoint.id, WebhookEndpoint.url, WebhookEndpoint.disabled_because)
        .where(WebhookEndpoint.disabled_because.in_(_GIVEN_UP), WebhookEndpoint.deleted_at.is_(None))
        .order_by(WebhookEndpoint.created_at.desc())
        .limit(limit)
    )
