"""What is computed: the chunks of jobs, and the leases on them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.tables.base import Table, one_of
from shared.jobs.lanes import Lane
from shared.jobs.states import ChunkState

LEASE_TOKENS = Sequence("lease_tokens", metadata=Table.metadata)


class Chunk(Table):
    """A run of consecutive samples of a job: the unit of work, of lease and of retry."""

    __tablename__ = "chunks"
    __table_args__ = (
        CheckConstraint(one_of("state", ChunkState), name="state"),
        CheckConstraint(
            "(state = 'running') = (owner IS NOT NULL AND lease_expires_at IS NOT NULL)", name="leased"
        ),
        CheckConstraint(
            "state <> 'done' OR (part_key IS NOT NULL AND token IS NOT NULL)", name="done_has_a_part"
        ),
        CheckConstraint("num_samples > 0", name="num_samples"),
        Index("chunks_of_job", "job_id", "position", unique=True),
        CheckConstraint(one_of("lane", Lane), name="lane"),
        # A turn of a workspace before its next: short jobs do not wait behind a long one.
        Index(
            "chunks_to_claim",
            "lane",
            "workspace_id",
            "model_id",
            "model_version",
            "position",
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        Index("chunks_on_lease", "lease_expires_at", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    model_id: Mapped[str]
    model_version: Mapped[int]
    # The job's, repeated here: a claim reads one table only.
    workspace_id: Mapped[int] = mapped_column(BigInteger)
    lane: Mapped[str] = mapped_column(server_default=Lane.INTERACTIVE)
    position: Mapped[int] = mapped_column(Integer)
    first_sample: Mapped[int]
    num_samples: Mapped[int]
    state: Mapped[str] = mapped_column(server_default=ChunkState.QUEUED)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    owner: Mapped[str | None]
    token: Mapped[int | None] = mapped_column(BigInteger)
    lease_expires_at: Mapped[datetime | None]
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_at: Mapped[datetime | None]  # when the last attempt began
    finished_at: Mapped[datetime | None]
    samples_stored: Mapped[int | None]  # in the part; fewer than num_samples where inputs failed
    part_key: Mapped[str | None]
    part_bytes: Mapped[int | None] = mapped_column(BigInteger)
    part_sha256: Mapped[str | None]
    device: Mapped[str | None]
    error: Mapped[str | None]
