"""Statements about webhook endpoints and signing secrets: saved, listed, changed. Secrets come sealed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Update, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from shared.database.queries.listing import Place
from shared.database.tables import WebhookEndpoint, WebhookSecret

# After a rotation both secrets sign for so long.
OVERLAP = timedelta(hours=24)


def hold_endpoints(workspace_id: int) -> Select[None]:
    """Keep everybody else from registering endpoints of a workspace until the transaction ends."""
    name = func.hashtextextended(f"webhook endpoints {workspace_id}", 0)
    return select(func.pg_advisory_xact_lock(name))


def count_registered(workspace_id: int) -> Select[int]:
    """How many endpoints a workspace has registered."""
    return select(func.count()).where(
        WebhookEndpoint.workspace_id == workspace_id,
        WebhookEndpoint.registered,
        WebhookEndpoint.deleted_at.is_(None),
    )


def save_endpoint(values: Mapping[str, Any]) -> ReturningInsert[WebhookEndpoint]:
    """A new endpoint."""
    return insert(WebhookEndpoint).values(**values).returning(WebhookEndpoint)


def endpoint_of_workspace(endpoint_id: UUID, workspace_id: int) -> Select[WebhookEndpoint]:
    """An endpoint, if it belongs to the workspace and was not deleted."""
    return select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id,
        WebhookEndpoint.workspace_id == workspace_id,
        WebhookEndpoint.deleted_at.is_(None),
    )


def endpoints_of_workspace(
    workspace_id: int, registered: bool | None, behind: Place | None, limit: int
) -> Select[WebhookEndpoint]:
    """The newest endpoints that were not deleted, or those behind a place; all where `registered` is None."""
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == workspace_id, WebhookEndpoint.deleted_at.is_(None)
    )
    if registered is not None:
        statement = statement.where(WebhookEndpoint.registered == registered)
    if behind is not None:
        place = (behind.created_at, behind.id)
        statement = statement.where(tuple_(WebhookEndpoint.created_at, WebhookEndpoint.id) < place)
    return statement.order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc()).limit(limit)


def change_endpoint(endpoint_id: UUID, values: Mapping[str, Any]) -> Update:
    """Give some columns of an endpoint new values."""
    return update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).values(**values)


def end_rest(endpoint_id: UUID) -> Update:
    """Somebody wants it tried now, whatever it asked for."""
    rested = change_endpoint(endpoint_id, {"resting_until": None})
    return rested.where(WebhookEndpoint.resting_until.is_not(None))


def remove_endpoint(endpoint_id: UUID) -> Update:
    """The endpoint is told nothing more; its row stays for the log's sake."""
    return change_endpoint(endpoint_id, {"deleted_at": func.now()})


def endpoint_of_url(workspace_id: int, url: str) -> Select[WebhookEndpoint]:
    """What queries of the workspace made of this URL; also where it was deleted since."""
    return select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == workspace_id,
        WebhookEndpoint.url == url,
        ~WebhookEndpoint.registered,
    )


def save_named(workspace_id: int, url: str) -> Insert:
    """An endpoint for a URL that a query names, unless another transaction has just saved it."""
    return (
        insert(WebhookEndpoint)
        .values(workspace_id=workspace_id, url=url, registered=False)
        .on_conflict_do_nothing()
    )


def name_again(endpoint_id: UUID) -> Update:
    """A deleted endpoint that a query names comes back as new."""
    fresh = dict.fromkeys(("deleted_at", "disabled_because", "failing_since", "resting_until"))
    return change_endpoint(endpoint_id, {**fresh, "enabled": True})


def rotate_endpoint(endpoint_id: UUID, sealed: str, previous: str | None) -> Update:
    """A new secret; the previous one signs, too, for a day."""
    return change_endpoint(endpoint_id, _rotated(sealed, previous))


def secret_of_workspace(workspace_id: int) -> Select[WebhookSecret]:
    """What the workspace signs with where a query names a URL."""
    return select(WebhookSecret).where(WebhookSecret.workspace_id == workspace_id)


def save_first_secret(workspace_id: int, sealed: str) -> Insert:
    """The first secret of a workspace; one that is there stays."""
    return insert(WebhookSecret).values(workspace_id=workspace_id, secret=sealed).on_conflict_do_nothing()


def rotate_workspace(workspace_id: int, sealed: str, previous: str | None) -> ReturningUpdate[WebhookSecret]:
    """A new secret of the workspace; the previous one signs, too, for a day."""
    return (
        update(WebhookSecret)
        .where(WebhookSecret.workspace_id == workspace_id)
        .values(**_rotated(sealed, previous))
        .returning(WebhookSecret)
        .execution_options(populate_existing=True)
    )


def _rotated(sealed: str, previous: str | None) -> dict[str, Any]:
    until = func.now() + OVERLAP if previous is not None else None
    return {"secret": sealed, "previous_secret": previous, "previous_until": until}
