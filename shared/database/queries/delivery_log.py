"""Statements about the log of deliveries: what was sent and how it went, and sending it again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Executable, Select, func, insert, or_, select, tuple_, update
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from shared.database.queries.events import CHANNEL
from shared.database.queries.listing import Place
from shared.database.tables import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from shared.webhooks.states import DeliveryState

PING = "webhook.ping"


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are wanted; what is empty is not asked for.

    `status_class` is the first digit of the last answer's status, or 0 where no attempt got an answer.
    """

    endpoint_id: UUID | None = None
    job_id: UUID | None = None
    kinds: tuple[str, ...] = ()
    states: tuple[DeliveryState, ...] = ()
    status_class: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def deliveries_of_workspace(
    workspace_id: int, wanted: DeliveryFilter, behind: Place | None, limit: int
) -> Select[WebhookDelivery]:
    """The newest deliveries that are wanted, or those behind a place."""
    row = WebhookDelivery
    statement = select(row).where(row.workspace_id == workspace_id)
    if behind is not None:
        statement = statement.where(tuple_(row.created_at, row.id) < (behind.created_at, behind.id))
    if wanted.endpoint_id is not None:
        statement = statement.where(row.endpoint_id == wanted.endpoint_id)
    if wanted.job_id is not None:
        statement = statement.where(row.job_id == wanted.job_id)
    if wanted.kinds:
        statement = statement.where(row.kind.in_(wanted.kinds))
    if wanted.states:
        statement = statement.where(row.state.in_(wanted.states))
    if wanted.status_class == 0:
        statement = statement.where(row.attempts > 0, row.last_status.is_(None))
    elif wanted.status_class is not None:
        first = 100 * wanted.status_class
        statement = statement.where(row.last_status >= first, row.last_status < first + 100)
    if wanted.created_after is not None:
        statement = statement.where(row.created_at > wanted.created_after)
    if wanted.created_before is not None:
        statement = statement.where(row.created_at < wanted.created_before)
    return statement.order_by(row.created_at.desc(), row.id.desc()).limit(limit)


def delivery_of_workspace(delivery_id: UUID, workspace_id: int) -> Select[WebhookDelivery, WebhookEndpoint]:
    """A delivery and the endpoint that it goes to, if it belongs to the workspace."""
    return (
        select(WebhookDelivery, WebhookEndpoint)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.workspace_id == workspace_id)
    )


def attempts_of(delivery_id: UUID) -> Select[WebhookAttempt]:
    """How each attempt of a delivery went, in order."""
    return (
        select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id == delivery_id)
        .order_by(WebhookAttempt.number)
    )


def send_again(delivery_ids: Collection[UUID]) -> ReturningUpdate[UUID]:
    """Have deliveries tried from the start of their schedule, under the same ids; none that is sent now."""
    return (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id.in_(delivery_ids),
            or_(WebhookDelivery.state != DeliveryState.SENDING, WebhookDelivery.due_at < func.now()),
        )
        .values(
            state=DeliveryState.WAITING,
            forgiven=WebhookDelivery.attempts,
            due_at=func.now(),
            finished_at=None,
        )
        .returning(WebhookDelivery.id)
    )


def failed_since(endpoint_id: UUID, since: datetime, limit: int) -> Select[UUID]:
    """What failed for an endpoint since then, the oldest event first; held until the transaction ends.

    Without pings: they asked whether it answered then.
    """
    return (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.job_id.is_not(None),
            WebhookDelivery.state == DeliveryState.FAILED,
            WebhookDelivery.finished_at >= since,
        )
        .order_by(WebhookDelivery.created_at, WebhookDelivery.event_number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def save_ping(workspace_id: int, endpoint_id: UUID) -> ReturningInsert[WebhookDelivery]:
    """A delivery that is about nothing but the endpoint itself."""
    return (
        insert(WebhookDelivery)
        .values(workspace_id=workspace_id, endpoint_id=endpoint_id, kind=PING)
        .returning(WebhookDelivery)
    )


def wake_senders() -> Executable:
    """Have whoever sends deliveries look at once, when this transaction is committed."""
    return select(func.pg_notify(CHANNEL, ""))
