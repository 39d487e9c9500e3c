"""The tables. Constraints forbid rows that the table of legal moves could not have made."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    Text,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.jobs.events import EventKind
from shared.jobs.lanes import Lane
from shared.jobs.states import ChunkState, JobState
from shared.queries.requests import RequestType


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Table(DeclarativeBase):
    """Base of every table: times carry a zone, dicts are JSONB."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        str: Text,
    }


class Workspace(Table):
    """Who owns jobs and keys; a workspace sees its own only."""

    __tablename__ = "workspaces"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKey(Table):
    """An API key: only its SHA-256 digest is kept."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str]
    prefix: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class Job(Table):
    """One query of one workspace. The row is the truth about it."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(_one_of("state", JobState), name="state"),
        CheckConstraint(_one_of("request_type", RequestType), name="request_type"),
        CheckConstraint("samples_done BETWEEN 0 AND samples_total", name="samples_done"),
        CheckConstraint("samples_failed BETWEEN 0 AND samples_total - samples_done", name="samples_failed"),
        CheckConstraint(_one_of("lane", Lane), name="lane"),
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
    seed: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str | None]
    request_id: Mapped[str | None]  # of the submit, so that one search finds every line about it
    lane: Mapped[str] = mapped_column(server_default=Lane.INTERACTIVE)
    deadline: Mapped[datetime | None]  # what is not done by then is not begun any more
    client_metadata: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    # The job whose failed inputs this one tries again.
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    samples_total: Mapped[int]
    samples_done: Mapped[int] = mapped_column(server_default="0")
    samples_failed: Mapped[int] = mapped_column(server_default="0")
    chunks_total: Mapped[int]
    chunks_open: Mapped[int]
    warnings: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    coverage: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    error: Mapped[str | None]
    manifest_key: Mapped[str | None]
    events: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]  # at its owner's wish


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
    error: Mapped[str | None]  # why it has no samples, though its neighbours have


LEASE_TOKENS = Sequence("lease_tokens", metadata=Table.metadata)
MODEL_REVISIONS = Sequence("model_revisions", metadata=Table.metadata)


class Chunk(Table):
    """A run of consecutive samples of a job: the unit of work, of lease and of retry."""

    __tablename__ = "chunks"
    __table_args__ = (
        CheckConstraint(_one_of("state", ChunkState), name="state"),
        CheckConstraint(
            "(state = 'running') = (owner IS NOT NULL AND lease_expires_at IS NOT NULL)", name="leased"
        ),
        CheckConstraint(
            "state <> 'done' OR (part_key IS NOT NULL AND token IS NOT NULL)", name="done_has_a_part"
        ),
        CheckConstraint("num_samples > 0", name="num_samples"),
        Index("chunks_of_job", "job_id", "position", unique=True),
        # A turn before the next: short jobs do not wait behind a long one.
        CheckConstraint(_one_of("lane", Lane), name="lane"),
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


class IdempotencyKey(Table):
    """A key under which a workspace sent a query, what it sent, and the job that it got."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_by_age", "created_at"),)

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_digest: Mapped[str]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Event(Table):
    """One thing that happened to a job, numbered from 1 without gaps."""

    __tablename__ = "events"
    __table_args__ = (CheckConstraint(_one_of("kind", EventKind), name="kind"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Worker(Table):
    """A generation worker that said it is alive: its device and the models it holds."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]
    models: Mapped[dict[str, Any]]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
