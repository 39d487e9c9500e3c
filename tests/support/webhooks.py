"""Builders of rows for webhooks: endpoints, and what is on its way to them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from shared.database.engines import transaction
from shared.database.queries.keys import ensure_workspace
from shared.database.tables import WebhookDelivery, WebhookEndpoint


def save_endpoint(
    engine: Engine, url: str = "https://example.org/hook", workspace: str = "default", **columns: Any
) -> UUID:
    """An endpoint of a workspace, as a registration would have saved it."""
    with transaction(engine) as session:
        workspace_id = session.scalars(ensure_workspace(workspace)).one()
        values = {"secret": "sealed", **columns}
        endpoint = WebhookEndpoint(workspace_id=workspace_id, url=url, **values)
        session.add(endpoint)
        session.flush()
        return endpoint.id


def deliveries_to(engine: Engine, endpoint_id: UUID) -> list[WebhookDelivery]:
    """All that is or was on its way to an endpoint, the oldest event first."""
    with transaction(engine) as session:
        statement = (
            select(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == endpoint_id)
            .order_by(WebhookDelivery.created_at, WebhookDelivery.event_number)
        )
        return list(session.scalars(statement))
