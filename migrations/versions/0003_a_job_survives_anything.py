"""Lanes, deadlines, failures per input, idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LANES = "lane IN ('interactive', 'bulk')"
_READY = (
    "state <> 'ready' OR (chunks_open = 0 AND samples_done > 0 "
    "AND samples_done + samples_failed = samples_total AND manifest_key IS NOT NULL)"
)


def upgrade() -> None:
    """Apply."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    _extend_jobs()
    _extend_chunks()
    _create_idempotency_keys()


def _extend_jobs() -> None:
    columns = (
        sa.Column("samples_failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lane", sa.Text(), server_default="interactive", nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("client_metadata", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("parent_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="SET NULL"), nullable=True),
    )
    for column in columns:
        op.add_column("jobs", column)
    op.create_check_constraint(
        "samples_failed", "jobs", "samples_failed BETWEEN 0 AND samples_total - samples_done"
    )
    op.create_check_constraint("lane", "jobs", _LANES)
    op.drop_constraint("ready_is_whole", "jobs")
    op.create_check_constraint("ready_is_whole", "jobs", _READY)
    unfinished = sa.text("state IN ('queued', 'running')")
    op.create_index("jobs_open_by_workspace", "jobs", ["workspace_id"], postgresql_where=unfinished)
    op.create_index("jobs_by_deadline", "jobs", ["deadline"], postgresql_where=unfinished)
    op.add_column("job_inputs", sa.Column("error", sa.Text(), nullable=True))


def _extend_chunks() -> None:
    op.add_column("chunks", sa.Column("workspace_id", sa.BigInteger(), nullable=True))
    op.execute("UPDATE chunks SET workspace_id = jobs.workspace_id FROM jobs WHERE jobs.id = chunks.job_id")
    op.alter_column("chunks", "workspace_id", nullable=False)
    op.add_column("chunks", sa.Column("lane", sa.Text(), server_default="interactive", nullable=False))
    op.add_column("chunks", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chunks", sa.Column("samples_stored", sa.Integer(), nullable=True))
    op.execute("UPDATE chunks SET samples_stored = num_samples WHERE state = 'done'")
    op.create_check_constraint("lane", "chunks", _LANES)
    op.drop_index("chunks_to_claim", "chunks")
    op.create_index(
        "chunks_to_claim",
        "chunks",
        ["lane", "workspace_id", "model_id", "model_version", "position", "id"],
        postgresql_where=sa.text("state = 'queued'"),
    )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workspace_id", "key"),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])
