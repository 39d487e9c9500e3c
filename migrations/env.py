"""How Alembic runs: on the connection it is handed, or on GENEQUEUE_DATABASE_URL from the command line."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, text

from shared.database.engines import sync_engine
from shared.database.tables import Table

# Two processes that migrate at once take turns.
_LOCK = 0x67656E65


def run(connection: Connection) -> None:
    """Run the migrations in one transaction, one process at a time."""
    connection.execute(text("SET lock_timeout = '5s'; SET statement_timeout = '10min'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    connection.commit()
    try:
        context.configure(connection=connection, target_metadata=Table.metadata)
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()


handed = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    with sync_engine(os.environ["GENEQUEUE_DATABASE_URL"]).connect() as own:
        run(own)
