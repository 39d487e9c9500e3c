"""Webhooks: endpoints, deliveries, attempts; events of a workspace in one order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_THIS_TRANSACTION = sa.text("pg_current_xact_id()::text::bigint")
_NOW = sa.text("now()")
_OPEN = sa.text("state IN ('waiting', 'sending')")


def upgrade() -> None:
    """Apply."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    _order_events()
    _create_endpoints()
    _create_deliveries()
    _create_attempts()
    _extend_jobs()


def _order_events() -> None:
    op.add_column("events", sa.Column("workspace_id", sa.BigInteger(), nullable=True))
    op.execute("UPDATE events SET workspace_id = jobs.workspace_id FROM jobs WHERE jobs.id = events.job_id")
    op.alter_column("events", "workspace_id", nullable=False)
    op.add_column("events", sa.Column("written_by", sa.BigInteger(), server_default="0", nullable=False))
    op.alter_column("events", "written_by", server_default=_THIS_TRANSACTION)
    op.add_column("events", sa.Column("serial", sa.BigInteger(), sa.Identity(), nullable=False))
    op.create_index("events_in_order", "events", ["workspace_id", "written_by", "serial"])
    op.create_table(
        "notices",
        sa.Column("serial", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("written_by", sa.BigInteger(), server_default=_THIS_TRANSACTION, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("serial"),
    )
    op.create_index("notices_in_order", "notices", ["workspace_id", "written_by", "serial"])


def _secrets(nullable: bool) -> list[sa.Column[object]]:
    return [
        sa.Column("secret", sa.Text(), nullable=nullable),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
    ]


def _create_endpoints() -> None:
    op.create_table(
        "webhook_secrets",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        *_secrets(nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("registered", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("events", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("models", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("asymmetric", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), server_default="10", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("disabled_because", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        *_secrets(nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint("max_attempts BETWEEN 1 AND 10", name="max_attempts"),
        sa.CheckConstraint("registered = (secret IS NOT NULL)", name="registered_has_a_secret"),
        sa.CheckConstraint("enabled = (disabled_because IS NULL)", name="disabled_has_a_reason"),
        sa.CheckConstraint("disabled_because IN ('owner', 'gone', 'failing')", name="disabled_because"),
    )
    op.create_index(
        "webhook_endpoints_of_workspace",
        "webhook_endpoints",
        ["workspace_id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "webhook_endpoints_named_by_queries",
        "webhook_endpoints",
        ["workspace_id", "url"],
        unique=True,
        postgresql_where=sa.text("NOT registered"),
    )


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("event_number", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("forgiven", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("last_status", sa.SmallInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"]),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'delivered', 'failed', 'superseded')", name="state"
        ),
        sa.CheckConstraint("(state IN ('waiting', 'sending')) = (finished_at IS NULL)", name="finished"),
        sa.CheckConstraint("(job_id IS NULL) = (event_number IS NULL)", name="of_an_event"),
    )
    table = "webhook_deliveries"
    once = ["endpoint_id", "job_id", "event_number"]
    op.create_index("webhook_deliveries_once", table, once, unique=True)
    op.create_index("webhook_deliveries_due", table, ["endpoint_id", "due_at"], postgresql_where=_OPEN)
    op.create_index("webhook_deliveries_of_job", table, ["job_id", "endpoint_id"])
    op.create_index("webhook_deliveries_of_workspace", table, ["workspace_id", "created_at", "id"])
    op.create_index("webhook_deliveries_by_age", table, ["created_at"])


def _create_attempts() -> None:
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["webhook_deliveries.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
    )


def _extend_jobs() -> None:
    op.add_column("jobs", sa.Column("webhook_endpoint_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(None, "jobs", "webhook_endpoints", ["webhook_endpoint_id"], ["id"])
    op.add_column(
        "jobs", sa.Column("webhook_events", postgresql.JSONB(), server_default="[]", nullable=False)
    )
