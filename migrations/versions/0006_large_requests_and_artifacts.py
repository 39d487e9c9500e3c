"""Large requests: conditions in sheets, uploads; results that travel: artifacts, reproductions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    """Apply."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    _extend_jobs()
    _create_uploads()
    _create_artifacts()
    op.add_column("webhook_endpoints", sa.Column("resting_until", sa.DateTime(timezone=True), nullable=True))


def _extend_jobs() -> None:
    op.add_column("jobs", sa.Column("sheets", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column("jobs", sa.Column("custom_ids", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("jobs", sa.Column("rejected", postgresql.JSONB(), nullable=True))
    op.add_column("jobs", sa.Column("query_digest", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("model_digests", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("jobs", sa.Column("manifest_sha256", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("reproduces_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "jobs_reproduces_id_fkey", "jobs", "jobs", ["reproduces_id"], ["id"], ondelete="SET NULL"
    )
    op.add_column("job_inputs", sa.Column("custom_id", sa.Text(), nullable=True))


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("said", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("received BETWEEN 0 AND length", name="received"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("uploads_by_expiry", "uploads", ["expires_at"])
    op.create_index("uploads_of_workspace", "uploads", ["workspace_id", "created_at"])


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('export', 'summary', 'comparison', 'gene-major')", name="kind"),
        sa.CheckConstraint("state IN ('queued', 'running', 'ready', 'failed')", name="state"),
        sa.CheckConstraint(
            "(state = 'running') = (owner IS NOT NULL AND lease_expires_at IS NOT NULL)", name="leased"
        ),
        sa.CheckConstraint("state <> 'ready' OR key IS NOT NULL", name="ready_has_a_file"),
        sa.CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="failed_has_a_reason"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("artifacts_once", "artifacts", ["job_id", "digest"], unique=True)
    op.create_index(
        "artifacts_to_make",
        "artifacts",
        ["created_at"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
