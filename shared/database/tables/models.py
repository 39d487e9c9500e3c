"""What can be asked: the models that were added while the service runs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Sequence, func
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.tables.base import Table

MODEL_REVISIONS = Sequence("model_revisions", metadata=Table.metadata)


class AddedModel(Table):
    """One version of a model that was added to the catalog; its files lie in the storage below `prefix`."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("deleted_at IS NULL OR removed_at IS NOT NULL", name="removed_before_deleted"),
    )

    model_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    weights_digest: Mapped[str]
    # SHA-256 of the stored manifest, which holds the digests of the other files.
    manifest_digest: Mapped[str]
    prefix: Mapped[str]
    # Grows with every change of the table, so that a process sees at a glance whether its catalog is old.
    revision: Mapped[int] = mapped_column(
        BigInteger, MODEL_REVISIONS, server_default=MODEL_REVISIONS.next_value(), unique=True
    )
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]  # nobody can ask it any more; its jobs still read it
    # Its files are gone. The row stays: a version is never given twice.
    deleted_at: Mapped[datetime | None]
