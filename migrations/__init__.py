"""Alembic's room: one file per revision of the schema."""
