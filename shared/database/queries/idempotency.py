"""Statements about idempotency keys: the job that a workspace got for a key, for as long as that is kept."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Delete, Select, delete, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from shared.database.tables import IdempotencyKey

KEPT = timedelta(hours=72)


def hold_key(workspace_id: int, key: str) -> Select[bool]:
    """Whether this transaction is now the only one that uses the key, until it ends. Does not wait."""
    return select(func.pg_try_advisory_xact_lock(func.hashtextextended(f"{workspace_id} {key}", 0)))


def kept_key(workspace_id: int, key: str) -> Select[IdempotencyKey]:
    """What the key was used for, unless that is too long ago."""
    return select(IdempotencyKey).where(
        IdempotencyKey.workspace_id == workspace_id,
        IdempotencyKey.key == key,
        IdempotencyKey.created_at > func.now() - KEPT,
    )


def save_key(workspace_id: int, key: str, body_digest: str, job_id: UUID) -> Insert:
    """What the key is used for from now on; an old use of it that was not forgotten yet gives way."""
    fresh = {"body_digest": body_digest, "job_id": job_id, "created_at": func.now()}
    statement = insert(IdempotencyKey).values(workspace_id=workspace_id, key=key, **fresh)
    return statement.on_conflict_do_update(index_elements=["workspace_id", "key"], set_=fresh)


def forget_old_keys() -> Delete:
    """Remove the keys whose time is over; for upkeep."""
    return delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - KEPT)
