"""Files beside results: what is being uploaded, and what is made from a result."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.tables.base import Table, one_of
from shared.jobs.artifacts import ArtifactKind, ArtifactState


class Upload(Table):
    """A body on its way in, in parts; `received` is the truth about how much of it lies in the storage."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("received BETWEEN 0 AND length", name="received"),
        Index("uploads_by_expiry", "expires_at"),
        Index("uploads_of_workspace", "workspace_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    length: Mapped[int] = mapped_column(BigInteger)  # in bytes, as announced
    received: Mapped[int] = mapped_column(BigInteger, server_default="0")
    file_name: Mapped[str | None]
    media_type: Mapped[str | None]
    said: Mapped[dict[str, Any]] = mapped_column(server_default="{}")  # the rest of Upload-Metadata
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    touched_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class Artifact(Table):
    """A file made from a result, by somebody who holds a lease on it under a fencing token."""

    __tablename__ = "artifacts"
    __table_args__ = (
        CheckConstraint(one_of("kind", ArtifactKind), name="kind"),
        CheckConstraint(one_of("state", ArtifactState), name="state"),
        CheckConstraint(
            "(state = 'running') = (owner IS NOT NULL AND lease_expires_at IS NOT NULL)", name="leased"
        ),
        CheckConstraint("state <> 'ready' OR key IS NOT NULL", name="ready_has_a_file"),
        CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="failed_has_a_reason"),
        # The same wish twice is one file.
        Index("artifacts_once", "job_id", "digest", unique=True),
        Index("artifacts_to_make", "created_at", postgresql_where=text("state IN ('queued', 'running')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    kind: Mapped[str]
    request: Mapped[dict[str, Any]]
    digest: Mapped[str]  # of kind and request
    state: Mapped[str] = mapped_column(server_default=ArtifactState.QUEUED)
    done: Mapped[int] = mapped_column(server_default="0")  # samples gone through
    total: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    owner: Mapped[str | None]
    token: Mapped[int | None] = mapped_column(BigInteger)
    lease_expires_at: Mapped[datetime | None]
    key: Mapped[str | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None]
    media_type: Mapped[str | None]
    file_name: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
