"""Statements about uploads: begun, carried on, ended. `received` moves only from where a piece begins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Update, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from shared.database.tables import Upload


def save_upload(values: Mapping[str, Any], lifetime: timedelta) -> ReturningInsert[Upload]:
    """A new upload, of which nothing is there yet."""
    return insert(Upload).values(**values, expires_at=func.now() + lifetime).returning(Upload)


def kept_uploads(workspace_id: int) -> Select[int, int, datetime]:
    """How many uploads a workspace keeps, their bytes as announced, and when the next of them is over."""
    size = func.coalesce(func.sum(Upload.length), 0)
    return select(func.count(), size, func.min(Upload.expires_at)).where(
        Upload.workspace_id == workspace_id, Upload.expires_at >= func.now()
    )


def upload_of_workspace(upload_id: UUID, workspace_id: int) -> Select[Upload, bool]:
    """An upload, if it belongs to the workspace, and whether its time is over."""
    return select(Upload, Upload.expires_at < func.now()).where(
        Upload.id == upload_id, Upload.workspace_id == workspace_id
    )


def hold_upload(upload_id: UUID, workspace_id: int) -> Select[Upload, bool]:
    """The same, and nobody else moves or removes it until the transaction ends."""
    return upload_of_workspace(upload_id, workspace_id).with_for_update()


def carry_on(upload_id: UUID, offset: int, length: int, lifetime: timedelta) -> ReturningUpdate[Upload]:
    """So many bytes more are there, behind those before an offset."""
    return (
        update(Upload)
        .where(Upload.id == upload_id, Upload.received == offset)
        .values(received=offset + length, touched_at=func.now(), expires_at=func.now() + lifetime)
        .returning(Upload)
    )


def touch_upload(upload_id: UUID, lifetime: timedelta) -> Update:
    """It is used: it is kept as long as a new one."""
    return (
        update(Upload)
        .where(Upload.id == upload_id)
        .values(touched_at=func.now(), expires_at=func.now() + lifetime)
    )


def forget_upload(upload_id: UUID) -> ReturningDelete[UUID]:
    """Remove the row of an upload."""
    return delete(Upload).where(Upload.id == upload_id).returning(Upload.id)


def overdue_uploads(limit: int) -> Select[UUID]:
    """Uploads that nobody touched in time; what is locked elsewhere is passed over."""
    return (
        select(Upload.id)
        .where(Upload.expires_at < func.now())
        .order_by(Upload.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def uploads_among(upload_ids: Collection[UUID]) -> Select[UUID]:
    """Those of the ids that are uploads."""
    return select(Upload.id).where(Upload.id.in_(upload_ids))
