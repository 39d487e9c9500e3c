"""Roles of workers, so that upkeep is known to live; canaries of devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("workers", sa.Column("role", sa.Text(), server_default="generation", nullable=False))
    op.create_check_constraint("role", "workers", "role IN ('generation', 'upkeep')")
    op.create_table(
        "canaries",
        sa.Column("weights_digest", sa.Text(), nullable=False),
        sa.Column("surroundings", sa.Text(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("weights_digest", "surroundings", "witness"),
    )
