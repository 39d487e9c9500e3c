"""Request types, coverage, and models that are added while the service runs."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_REQUEST_TYPES = "request_type IN ('baseline', 'reference_conditioned', 'predict_metadata')"


def upgrade() -> None:
    """Apply."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    _extend_jobs()
    _extend_chunks()
    _create_models()


def _extend_jobs() -> None:
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("request_type", sa.Text(), server_default="baseline", nullable=False),
        sa.Column("conditioning", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("fixed_total_count", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("input_digests", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("coverage", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
    )
    for column in columns:
        op.add_column("jobs", column)
    op.create_check_constraint("request_type", "jobs", _REQUEST_TYPES)
    op.create_index(
        "jobs_unfinished", "jobs", ["model_id", "state"], postgresql_where=sa.text("finished_at IS NULL")
    )
    op.create_index(
        "jobs_by_kind",
        "jobs",
        ["model_id", "sampling_strategy", "finished_at"],
        postgresql_where=sa.text("state = 'ready'"),
    )


def _extend_chunks() -> None:
    """A chunk is for one version of a model; those there are take the version of their job."""
    op.add_column("chunks", sa.Column("model_version", sa.Integer(), nullable=True))
    op.execute("UPDATE chunks SET model_version = jobs.model_version FROM jobs WHERE jobs.id = chunks.job_id")
    op.alter_column("chunks", "model_version", nullable=False)
    op.drop_index("chunks_to_claim", "chunks")
    op.create_index(
        "chunks_to_claim",
        "chunks",
        ["model_id", "model_version", "position", "id"],
        postgresql_where=sa.text("state = 'queued'"),
    )


def _create_models() -> None:
    revisions = sa.Sequence("model_revisions")
    op.execute(sa.schema.CreateSequence(revisions))
    op.create_table(
        "models",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("weights_digest", sa.Text(), nullable=False),
        sa.Column("manifest_digest", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=revisions.next_value(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("deleted_at IS NULL OR removed_at IS NOT NULL", name="removed_before_deleted"),
        sa.PrimaryKeyConstraint("model_id", "version"),
        sa.UniqueConstraint("revision"),
    )
