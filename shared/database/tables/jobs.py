"""What was asked: jobs, their inputs, and what happened to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, false, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.tables.base import THIS_TRANSACTION, Table, one_of
from shared.jobs.events import EventKind
from shared.jobs.lanes import Lane
from shared.jobs.states import JobState
from shared.queries.requests import RequestType


class Job(Table):
    """One query of one workspace. The row is the truth about it."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(one_of("state", JobState), name="state"),
        CheckConstraint(one_of("request_type", RequestType), name="request_type"),
        CheckConstraint("samples_done BETWEEN 0 AND samples_total", name="samples_done"),
        CheckConstraint("samples_failed BETWEEN 0 AND samples_total - samples_done", name="samples_failed"),
        CheckConstraint(one_of("lane", Lane), name="lane"),
        CheckConstraint("chunks_open BETWEEN 0 AND chunks_total", name="chunks_open"),
        CheckConstraint("(state IN ('queued', 'running')) = (finished_at IS NULL)", name="finished"),
        CheckConstraint(
            "state <> 'ready' OR "
            "(chunks_open = 0 AND samples_done > 0 AND samples_done + samples_failed = samples_total "
            "AND manifest_key IS NOT NULL)",
            name="ready_is_whole",
        ),
        CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="failed_has_a_reason"),
        Index("jobs_by_workspace", "workspace_id", "created_at"),
        Index(
            "jobs_open_by_workspace", "workspace_id", postgresql_where=text("state IN ('queued', 'running')")
        ),
        Index("jobs_by_deadline", "deadline", postgresql_where=text("state IN ('queued', 'running')")),
        Index("jobs_by_expiry", "expires_at", postgresql_where=text("state <> 'expired'")),
        Index("jobs_unfinished", "model_id", "state", postgresql_where=text("finished_at IS NULL")),
        # How fast the last jobs of a kind were.
        Index(
            "jobs_by_kind",
            "model_id",
            "sampling_strategy",
            "finished_at",
            postgresql_where=text("state = 'ready'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    model_id: Mapped[str]
    model_version: Mapped[int]
    weights_digest: Mapped[str]
    request_type: Mapped[str] = mapped_column(server_default=RequestType.BASELINE)
    state: Mapped[str] = mapped_column(server_default=JobState.QUEUED)
    sampling_strategy: Mapped[str]
    total_count: Mapped[int] = mapped_column(BigInteger)
    deterministic_latents: Mapped[bool]
    # Of reference conditioning: the latents that come from the reference, and whose library size holds.
    conditioning: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    fixed_total_count: Mapped[bool] = mapped_column(server_default=false())
    # Of the objects with the inputs' counts, in their order: SHA-256 in hex.
    input_digests: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    # Of a large query, where its conditions lie: the objects in the storage, in order; else they are rows.
    sheets: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    custom_ids: Mapped[bool] = mapped_column(server_default=false())  # whether any input has one
    # What was sent and left out: how many rows, the first of them, and where the report on all lies.
    rejected: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    query_digest: Mapped[str | None]  # SHA-256 of what was asked, in hex
    # SHA-256 of the model's `vocabulary` and `genes`, in hex.
    model_digests: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    seed: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str | None]
    request_id: Mapped[str | None]  # of the submit, so that one search finds every line about it
    lane: Mapped[str] = mapped_column(server_default=Lane.INTERACTIVE)
    deadline: Mapped[datetime | None]  # what is not done by then is not begun any more
    client_metadata: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    # The job whose failed inputs this one tries again.
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    # The job that this one runs again, to see whether it answers the same.
    reproduces_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    samples_total: Mapped[int]
    samples_done: Mapped[int] = mapped_column(server_default="0")
    samples_failed: Mapped[int] = mapped_column(server_default="0")
    chunks_total: Mapped[int]
    chunks_open: Mapped[int]
    warnings: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    coverage: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    error: Mapped[str | None]
    manifest_key: Mapped[str | None]
    manifest_sha256: Mapped[str | None]
    events: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]  # at its owner's wish
    # Whom the query itself names, and of what it tells them; nothing named means everything.
    webhook_endpoint_id: Mapped[UUID | None] = mapped_column(ForeignKey("webhook_endpoints.id"))
    webhook_events: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")


class JobInput(Table):
    """One condition of a job, and where the model's vocabulary places it."""

    __tablename__ = "job_inputs"
    __table_args__ = (
        CheckConstraint("num_samples > 0", name="num_samples"),
        Index("job_inputs_by_first_sample", "job_id", "first_sample"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    first_sample: Mapped[int]
    num_samples: Mapped[int]
    # "metadata" is a reserved attribute name of declarative classes.
    conditions: Mapped[dict[str, Any]] = mapped_column("metadata")
    placements: Mapped[dict[str, Any]]
    custom_id: Mapped[str | None]  # its owner's own name for it
    error: Mapped[str | None]  # why it has no samples, though its neighbours have


class Event(Table):
    """One thing that happened to a job, numbered from 1 without gaps."""

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint(one_of("kind", EventKind), name="kind"),
        Index("events_in_order", "workspace_id", "written_by", "serial"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    # The job's, repeated here, and the place among all events of the workspace.
    workspace_id: Mapped[int] = mapped_column(BigInteger)
    written_by: Mapped[int] = mapped_column(BigInteger, server_default=THIS_TRANSACTION)
    serial: Mapped[int] = mapped_column(BigInteger, Identity())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
