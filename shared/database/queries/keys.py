"""Statements about workspaces and their API keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from shared.database.keys import MintedKey
from shared.database.tables import ApiKey, Workspace

DEFAULT_WORKSPACE = "default"


def ensure_workspace(name: str) -> ReturningInsert[int]:
    """The id of the workspace of that name, made if it is new."""
    statement = insert(Workspace).values(name=name)
    return statement.on_conflict_do_update(
        index_elements=[Workspace.name], set_={"name": statement.excluded.name}
    ).returning(Workspace.id)


def save_key(workspace_id: int, name: str, key: MintedKey) -> ReturningInsert[int]:
    """A new key; only its digest is kept."""
    return (
        insert(ApiKey)
        .values(workspace_id=workspace_id, name=name, prefix=key.prefix, digest=key.digest)
        .returning(ApiKey.id)
    )


def workspace_of_key(digest: str) -> tuple[Select[int], dict[str, Any]]:
    """A statement and its parameters: the workspace that a key opens, unless it was revoked."""
    return _OPENED, {"digest": digest}


# Every request asks this, so it is built once.
_OPENED = select(ApiKey.workspace_id).where(ApiKey.digest == bindparam("digest"), ApiKey.revoked_at.is_(None))


def all_keys() -> Select[ApiKey, str]:
    """Every key with the name of its workspace, oldest first."""
    return (
        select(ApiKey, Workspace.name)
        .join(Workspace, Workspace.id == ApiKey.workspace_id)
        .order_by(ApiKey.created_at, ApiKey.id)
    )


def revoke_key(prefix_or_name: str) -> ReturningUpdate[str]:
    """Revoke the keys of that prefix or name; returns the prefixes of those that were live."""
    return (
        update(ApiKey)
        .where(
            (ApiKey.prefix == prefix_or_name) | (ApiKey.name == prefix_or_name), ApiKey.revoked_at.is_(None)
        )
        .values(revoked_at=func.now())
        .returning(ApiKey.prefix)
    )
